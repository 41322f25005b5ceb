"""Simulated recordings laid out as the grey video of 4DME is delivered (specs/datasets.md §10).

    4DME_Labelling_Micro_release v1.xlsx
    gray_micro/S01/S01_1st_001_01/Frame_000000117.jpg       grey, one channel; onset..offset

Headers and codes end in an apostrophe, a 0/1 column stands for each category, the last row is a total. A held action
unit, one that does not move, is marked `(k)`.

`quirks` adds a row with two labels (`Surprise+Positive`), which is in no class scheme, to every second person, and
*Others* to the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.layouts.content import PEOPLE, Repertoire, draw_content, person_seed, subject_labels
from mer.simulate.layouts.footage import Picture, ReaderInput, Recording, Tree, event, moved
from mer.simulate.layouts.sheets import Cell, as_table, write_xlsx
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, draw_interval

TABLE_NAME = "4DME_Labelling_Micro_release v1.xlsx"
CATEGORIES = ("Positive", "Negative", "Surprise", "Repression", "Others")
HEADER = ("fold", "sub_ID'", "fold_name'", "Onset", "Apex", "Offset", "AUs", "Emotion", *CATEGORIES, "Total")
REPERTOIRE = Repertoire(
    (("positive",), ("negative", "negative", "repression"), ("surprise",)),
    {
        "positive": ("happiness",),
        "negative": ("disgust", "anger", "fear", "sadness"),
        "surprise+positive": ("surprise",),
    },
)
HELD = 17


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per clip, by subject and name."""
    found = []
    for k in range(params.subjects):
        labels = subject_labels(params, REPERTOIRE, PEOPLE["fourdme"] + k)
        if params.quirks:
            labels.append("surprise+positive" if k % 2 == 0 else "others")
        found += [_recording(params, k, turn, label) for turn, label in enumerate(labels, start=1)]
    return found


def _recording(params: SimulateParams, index: int, turn: int, label: str) -> Recording:
    person, subject = PEOPLE["fourdme"] + index, f"S{index + 1:02d}"
    seed = person_seed(params, person, turn)
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    when = draw_interval(params, rng)
    when = moved(when, int(rng.integers(0, 2000)))
    name = f"{subject}_{'1st' if turn % 2 else '2nd'}_{turn:03d}_01"
    units = draw_content(params, REPERTOIRE, label, seed)
    plan = event((subject, person, params.fps, seed), name, label, units, when)
    return Recording(subject, person, name, (plan,), plan.numbers, params.fps, seed)


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    path = f"gray_micro/{recording.subject}/{recording.name}/Frame_{number:09d}.jpg"
    return [Picture((recording.subject, recording.name), path)]


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below `HEADER`."""
    return [_row(plan, k) for k, plan in enumerate(TREE.plan(params), start=1)]


def _row(plan: ClipPlan, place: int) -> list[Cell]:
    labels = [label.capitalize() for label in plan.emotion.split("+")]
    text = "+".join(unit.text for unit in plan.units)
    if plan.seed % 3 == 0 and HELD not in [unit.number for unit in plan.units]:
        text = f"{text}+{HELD}(k)"
    flags: list[Cell] = [int(name in labels) for name in CATEGORIES]
    where: list[Cell] = [place, f"{plan.subject}'", f"{plan.clip}'"]
    aus: Cell = int(text) if text.isdigit() else text
    return [*where, plan.onset, plan.apex, plan.offset, aus, "+".join(labels), *flags, len(labels)]


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(HEADER, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written."""
    return ReaderInput(table(params), listing(params))


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the label table under `root` and return its path; equal parameters give equal bytes."""
    cells = rows(params)
    total: list[Cell] = ["Total", *[None] * 7, *(sum(int(str(row[k])) for row in cells) for k in range(8, 14))]
    return write_xlsx(Path(root) / TABLE_NAME, {"Sheet1": [HEADER, *cells, total]})


TREE = Tree(recordings, pictures, sensor=lambda params: "grey")
plan, subjects, listing, write_subject = TREE.plan, TREE.subjects, TREE.listing, TREE.write_subject
