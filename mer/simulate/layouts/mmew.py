"""Simulated recordings laid out as MMEW is delivered (specs/datasets.md §4).

    MMEW_Micro_Exp.xlsx
    MMEW_Final/Micro_Expression/<emotion>/S01-01-001/1.jpg      face crops, 1-based from the onset

The folder of the label `others` is called `repression`. The middle figure of a name is the code of the label. Action
units carry their side in front or behind (`L12`, `12L`), in any order.

`quirks` adds one row, on top of the 3-class ones, to each of these subjects:

- S01, *others*: the folder holds more frames than the table says;
- S04, *happiness*: `S04-01-001`, whose apex and offset are wrong in the real table and corrected from the frames;
- S02, S03 and every other: *others*.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.expression import UnitPlan
from mer.simulate.layouts.content import PEOPLE, Repertoire, draw_content, person_seed, subject_labels
from mer.simulate.layouts.footage import Picture, ReaderInput, Recording, Tree, event, moved
from mer.simulate.layouts.sheets import Cell, as_table, write_xlsx
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Interval, draw_interval

TABLE_NAME = "MMEW_Micro_Exp.xlsx"
HEADER = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
    "remarks",
)
CODES = {"happiness": 1, "surprise": 2, "disgust": 3, "others": 4, "fear": 5, "sadness": 6, "anger": 7}
REPERTOIRE = Repertoire((("happiness",), ("disgust", "disgust", "disgust", "fear", "sadness", "anger"), ("surprise",)))
SURPLUS = 6
# Released (table) and true apex and offset of the one corrected clip that is imitated, at 90 frames per second.
CORRECTED, RELEASED, TRUE = "S04-01-001", (27, 40), (40, 75)


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per clip, by subject and name."""
    found = []
    for k in range(params.subjects):
        person, subject = PEOPLE["mmew"] + k, f"S{k + 1:02d}"
        clips = []
        for turn, label in enumerate(subject_labels(params, REPERTOIRE, person), start=11):
            seed = person_seed(params, person, turn)
            clips.append(_recording(params, subject, person, f"{subject}-{CODES[label]:02d}-{turn:03d}", label, seed))
        if params.quirks:
            clips.append(_quirk(params, subject, person))
        found += sorted(clips, key=lambda clip: clip.name)
    return found


def _quirk(params: SimulateParams, subject: str, person: int) -> Recording:
    seed = person_seed(params, person, "quirk")
    if subject == "S04":
        return _recording(params, subject, person, CORRECTED, "happiness", seed, "corrected")
    name = f"{subject}-04-041"
    return _recording(params, subject, person, name, "others", seed, "longer" if subject == "S01" else "others")


def _recording(
    params: SimulateParams, subject: str, person: int, name: str, label: str, seed: int, quirk: str = ""
) -> Recording:
    when = draw_interval(params, np.random.default_rng(derive_seed(seed, "interval")))
    when = Interval(1, *TRUE, recorded=TRUE[1]) if quirk == "corrected" else moved(when, 1 - when.onset)
    numbers = range(1, when.offset + 1 + (SURPLUS if quirk == "longer" else 0))
    units = draw_content(params, REPERTOIRE, label, seed)
    plan = event((subject, person, params.fps, seed), name, label, units, when, numbers, quirk)
    return Recording(subject, person, name, (plan,), plan.numbers, params.fps, seed)


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    label = recording.events[0].emotion
    folder = f"MMEW_Final/Micro_Expression/{'repression' if label == 'others' else label}/{recording.name}"
    return [Picture((recording.subject, recording.name), f"{folder}/{number}.jpg", cropped=True)]


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below `HEADER`."""
    return [_row(plan) for plan in TREE.plan(params)]


def _row(plan: ClipPlan) -> list[Cell]:
    apex, offset = RELEASED if plan.quirk == "corrected" else (plan.apex, plan.offset)
    return [int(plan.subject[1:]), plan.clip, plan.onset, apex, offset, _au_cell(plan), plan.emotion, None]


def _au_cell(plan: ClipPlan) -> Cell:
    units = plan.units[::-1] if plan.seed % 3 == 0 else plan.units
    text = "+".join(_unit(unit, plan.seed % 2 == 0) for unit in units)
    return int(text) if text.isdigit() else text


def _unit(unit: UnitPlan, behind: bool) -> str:
    return f"{unit.number}{unit.side}" if behind else unit.text


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(HEADER, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written."""
    return ReaderInput(table(params), listing(params))


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the coding table under `root` and return its path; equal parameters give equal bytes."""
    return write_xlsx(Path(root) / TABLE_NAME, {"Sheet1": [HEADER, *rows(params)]})


# 231 pixels, as in the release, where the frames are 384 pixels high.
TREE = Tree(recordings, pictures, window=231 / 384)
plan, subjects, listing, write_subject = TREE.plan, TREE.subjects, TREE.listing, TREE.write_subject
