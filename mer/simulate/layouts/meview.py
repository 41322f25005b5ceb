"""Simulated recordings laid out as MEVIEW is delivered: one video per row (specs/datasets.md §9).

    MEVIEW.xlsx                  (the owner's is .xls) sheet `List 1`
    MEVIEW/sub01-1.mp4           25 and 30 frames per second in turn, whatever `fps` says

Onset and offset count the frames of the cut video from 0; other columns give them in the video it was cut from. There
is no apex. Two action units are typed as a decimal number (`1.2`).

`quirks` adds one row to each of these people: sub01, *surprise* with units that a spreadsheet took for a date; sub02, a
video without an event (0, 0); the rest a blank label, or `fear?`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.expression import UnitPlan
from mer.simulate.layouts.content import (
    PEOPLE,
    Repertoire,
    draw_content,
    fixed_units,
    person_seed,
    subject_labels,
)
from mer.simulate.layouts.footage import (
    Picture,
    ReaderInput,
    Recording,
    Tree,
    draw_seconds,
    event,
    lay_out,
)
from mer.simulate.layouts.sheets import Cell, as_table, write_xlsx
from mer.simulate.params import SimulateParams

TABLE_NAME = "MEVIEW.xlsx"
SHEET = "List 1"
HEADER = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "OffsetFrame",
    "VideoFile",
    "StartFrameVideo",
    "EndFrameVideo",
    "Length",
    "Action Units",
    "Emotion",
    "Note",
)
REPERTOIRE = Repertoire(
    (("happiness",), ("contempt", "contempt", "anger", "fear"), ("surprise",)), {"fear?": ("fear",), "": ("others",)}
)
RATES = (25.0, 30.0)
DATE_UNITS = ((1, ""), (2, ""), (5, ""))


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per video, by subject and name."""
    found = []
    for k in range(params.subjects):
        labels = [(label, "") for label in subject_labels(params, REPERTOIRE, PEOPLE["meview"] + k)]
        if params.quirks:
            other = ("fear?", "doubtful") if k % 2 else ("", "blank")
            labels.append({0: ("surprise", "date"), 1: ("", "nothing")}.get(k, other))
        found += [_recording(params, k, turn, label, quirk) for turn, (label, quirk) in enumerate(labels, start=1)]
    return sorted(found, key=lambda recording: (recording.subject, recording.name))


def _recording(params: SimulateParams, index: int, turn: int, label: str, quirk: str) -> Recording:
    person, subject = PEOPLE["meview"] + index, f"sub{index + 1:02d}"
    name, fps = f"{subject}-{turn}", RATES[(index + turn) % 2]
    seed = person_seed(params, person, turn)
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    places, last = lay_out(fps, [draw_seconds(params, rng)], rng, 0, centred=[True])
    if quirk == "nothing":
        return Recording(subject, person, name, (), tuple(range(last + 1)), fps, seed, quirk)
    dated = fixed_units(params, seed, *DATE_UNITS) if quirk == "date" else None
    units = dated or draw_content(params, REPERTOIRE, label, seed)
    plan = event((subject, person, fps, seed), name, label, units, places[0], quirk=quirk)
    return Recording(subject, person, name, (plan,), tuple(range(last + 1)), fps, seed, quirk)


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the video that a frame belongs to."""
    return [Picture(("", recording.name), f"MEVIEW/{recording.name}.mp4")]


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below `HEADER`."""
    return [_row(recording) for recording in recordings(params)]


def _row(recording: Recording) -> list[Cell]:
    subject: Cell = int(recording.subject[3:])
    source = f"broadcast {recording.seed % 7}.mp4"
    start = 500 + recording.seed % 900
    if not recording.events:
        return [subject, recording.name, 0, 0, source, start, start, 0, None, None, "nothing to see"]
    plan = recording.events[0]
    label = "comtempt" if plan.emotion == "contempt" and recording.seed % 2 else plan.emotion
    return [
        subject,
        recording.name,
        plan.onset,
        plan.offset,
        source,
        start + plan.onset,
        start + plan.offset,
        plan.offset - plan.onset + 1,
        _au_cell(plan.units, recording.kind),
        {"happiness": "happy", "": None}.get(label, label),
        None,
    ]


def _au_cell(units: tuple[UnitPlan, ...], quirk: str) -> Cell:
    numbers = [unit.number for unit in units]
    if quirk == "date":
        return datetime.date(2000 + numbers[2], numbers[1], numbers[0])
    if any(unit.side for unit in units) or len(numbers) > 2:
        return "+".join(unit.text for unit in units)
    # As a number, 1.10 would be 1.1: such pairs are typed as text.
    if len(numbers) == 2 and numbers[1] % 10:
        return float(f"{numbers[0]}.{numbers[1]}")
    return numbers[0] if len(numbers) == 1 else ".".join(map(str, numbers))


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(HEADER, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written."""
    return ReaderInput(table(params), listing(params))


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the table under `root` and return its path; equal parameters give equal bytes."""
    return write_xlsx(Path(root) / TABLE_NAME, sheets(params))


def sheets(params: SimulateParams) -> dict[str, list[list[Cell]]]:
    """Return the sheets of the table, header included."""
    return {SHEET: [list(HEADER), *rows(params)]}


TREE = Tree(recordings, pictures)
plan, subjects, listing, write_subject = TREE.plan, TREE.subjects, TREE.listing, TREE.write_subject
