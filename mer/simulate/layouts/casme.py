"""Simulated recordings laid out as CASME (the first) is delivered (specs/datasets.md §11).

    Coding Final.xlsx                           (the owner's is .xls)
    Cropped/sub01/EP02_5/reg_EP02_5-12.jpg      the face; onset..offset, numbers of the recording

The table has two apex columns, of which the first counts; the second is 0 unless the expression has two peaks.
`quirks` adds a clip labelled *tense*, outside the 3-class task, to every person.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.layouts.content import PEOPLE, Repertoire, draw_content, person_seed, subject_labels
from mer.simulate.layouts.footage import Picture, ReaderInput, Recording, Tree, event
from mer.simulate.layouts.sheets import Cell, as_table, write_xlsx
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, draw_interval

TABLE_NAME = "Coding Final.xlsx"
HEADER = ("Subject", "Filename", "OnsetF", "ApexF1", "ApexF2", "OffsetF", "AUs", "Emotion")
REPERTOIRE = Repertoire(
    (("happiness",), ("disgust", "disgust", "repression", "sadness", "contempt", "fear"), ("surprise",)),
    {"tense": ("others",)},
)
FILMS = 17


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per clip, by subject and name."""
    found = []
    for k in range(params.subjects):
        person = PEOPLE["casme"] + k
        labels = subject_labels(params, REPERTOIRE, person) + (["tense"] if params.quirks else [])
        clips = [_recording(params, k, turn, label) for turn, label in enumerate(labels)]
        found += sorted(clips, key=lambda clip: clip.name)
    return found


def _recording(params: SimulateParams, index: int, turn: int, label: str) -> Recording:
    person, subject = PEOPLE["casme"] + index, f"sub{index + 1:02d}"
    seed = person_seed(params, person, turn)
    when = draw_interval(params, np.random.default_rng(derive_seed(seed, "interval")))
    name = f"EP{1 + turn % FILMS:02d}_{1 + turn // FILMS + index % 5}"
    units = draw_content(params, REPERTOIRE, label, seed)
    plan = event((subject, person, params.fps, seed), name, label, units, when)
    return Recording(subject, person, name, (plan,), plan.numbers, params.fps, seed)


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    path = f"Cropped/{recording.subject}/{recording.name}/reg_{recording.name}-{number}.jpg"
    return [Picture((recording.subject, recording.name), path, cropped=True)]


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below `HEADER`."""
    return [_row(plan) for plan in TREE.plan(params)]


def _row(plan: ClipPlan) -> list[Cell]:
    second = plan.apex + 2 if plan.seed % 5 == 0 else 0
    text = "+".join(unit.text for unit in plan.units)
    aus: Cell = int(text) if text.isdigit() else text
    subject = plan.subject_index - PEOPLE["casme"] + 1
    return [subject, plan.clip, plan.onset, plan.apex, second, plan.offset, aus, plan.emotion]


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(HEADER, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written."""
    return ReaderInput(table(params), listing(params))


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the coding table under `root` and return its path; equal parameters give equal bytes."""
    return write_xlsx(Path(root) / TABLE_NAME, {"Sheet1": [HEADER, *rows(params)]})


TREE = Tree(recordings, pictures, window=0.62)
plan, subjects, listing, write_subject = TREE.plan, TREE.subjects, TREE.listing, TREE.write_subject
