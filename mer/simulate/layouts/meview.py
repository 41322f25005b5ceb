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
from collections.abc import Sequence

from mer.simulate.content import Repertoire, draw_content, fixed_units, joined, subject_labels
from mer.simulate.contract import SLOW, Camera, Layout
from mer.simulate.expression import UnitPlan
from mer.simulate.params import SimulateParams
from mer.simulate.plan import Recording, Session, clip_seed, draw_seconds, lay_out
from mer.simulate.sheets import Cell, Table
from mer.simulate.tree import Picture, Tree

TABLE_NAME = "MEVIEW.xlsx"
SHEET = "List 1"
REPERTOIRE = Repertoire(
    (("happiness",), ("contempt", "contempt", "anger", "fear"), ("surprise",)), {"fear?": ("fear",), "": ("others",)}
)
RATES = (25.0, 30.0)
DATE_UNITS = ((1, ""), (2, ""), (5, ""))
FIRST_FACE = 840


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per video, by name."""
    labels = [(label, "") for label in subject_labels(params, REPERTOIRE, FIRST_FACE + index)]
    if params.quirks:
        other = ("fear?", "doubtful") if index % 2 else ("", "blank")
        labels.append({0: ("surprise", "date"), 1: ("", "nothing")}.get(index, other))
    videos = [_recording(params, index, turn, *label) for turn, label in enumerate(labels, start=1)]
    return sorted(videos, key=lambda video: video.name)


def _recording(params: SimulateParams, index: int, turn: int, label: str, quirk: str) -> Recording:
    face, subject = FIRST_FACE + index, f"sub{index + 1:02d}"
    session = Session(subject, face, RATES[(index + turn) % 2], clip_seed(params, face, turn))
    name, rng = f"{subject}-{turn}", session.interval_rng()
    places, last = lay_out(session.fps, [draw_seconds(params, rng)], rng, 0, centred=[True])
    if quirk == "nothing":
        return session.recording(name, [], range(last + 1), quirk)
    dated = fixed_units(params, session.seed, *DATE_UNITS) if quirk == "date" else None
    units = dated or draw_content(params, REPERTOIRE, label, session.seed)
    return session.recording(name, [session.event(name, label, units, places[0], quirk=quirk)], range(last + 1), quirk)


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the video that a frame belongs to."""
    return [Picture(("", recording.name), f"MEVIEW/{recording.name}.mp4")]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the label table."""
    return [Table.of(TABLE_NAME, [_row(recording) for recording in recordings], SHEET)]


def _row(recording: Recording) -> dict[str, Cell]:
    start = 500 + recording.seed % 900
    plan = recording.events[0] if recording.events else None
    onset, offset = (plan.onset, plan.offset) if plan else (0, 0)
    label = plan.emotion if plan else ""
    if label == "contempt" and recording.seed % 2:
        label = "comtempt"
    return {
        "Subject": int(recording.subject[3:]),
        "Filename": recording.name,
        "OnsetFrame": onset,
        "OffsetFrame": offset,
        "VideoFile": f"broadcast {recording.seed % 7}.mp4",
        "StartFrameVideo": start + onset,
        "EndFrameVideo": start + offset,
        "Length": offset - onset + 1 if plan else 0,
        "Action Units": _au_cell(plan.units, recording.kind) if plan else None,
        "Emotion": {"happiness": "happy", "": None}.get(label, label),
        "Note": None if plan else "nothing to see",
    }


def _au_cell(units: tuple[UnitPlan, ...], quirk: str) -> Cell:
    numbers = [unit.number for unit in units]
    if quirk == "date":
        return datetime.date(2000 + numbers[2], numbers[1], numbers[0])
    if any(unit.side for unit in units) or len(numbers) > 2:
        return joined(units)
    # As a number, 1.10 would be 1.1: such pairs are typed as text.
    if len(numbers) == 2 and numbers[1] % 10:
        return float(f"{numbers[0]}.{numbers[1]}")
    return numbers[0] if len(numbers) == 1 else ".".join(map(str, numbers))


LAYOUT = Layout(
    "meview", {"meview": Camera({"fps": 25.0, "width": 1280, "height": 720, **SLOW})}, people, Tree(pictures), tables
)
