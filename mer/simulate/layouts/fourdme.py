"""Simulated recordings laid out as the grey video of 4DME is delivered (specs/datasets.md §10).

    4DME_Labelling_Micro_release v1.xlsx
    gray_micro/S01/S01_1st_001_01/Frame_000000117.jpg       grey, one channel; onset..offset

Headers and codes end in an apostrophe, a 0/1 column stands for each category, the last row is a total. A held action
unit, one that does not move, is marked `(k)`.

`quirks` adds a row with two labels (`Surprise+Positive`), which is in no class scheme, to every second person, and
*Others* to the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from mer.simulate.content import Repertoire, draw_content, joined, subject_labels
from mer.simulate.contract import Camera, Layout
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, Session, clip_seed, draw_interval, events_of
from mer.simulate.sheets import Cell, Row, Table, number_cell
from mer.simulate.tree import Picture, Tree

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
FIRST_FACE = 1080


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per clip, by name."""
    labels = subject_labels(params, REPERTOIRE, FIRST_FACE + index)
    if params.quirks:
        labels.append("surprise+positive" if index % 2 == 0 else "others")
    return [_recording(params, index, turn, label) for turn, label in enumerate(labels, start=1)]


def _recording(params: SimulateParams, index: int, turn: int, label: str) -> Recording:
    face, subject = FIRST_FACE + index, f"S{index + 1:02d}"
    session = Session(subject, face, params.fps, clip_seed(params, face, turn))
    rng = session.interval_rng()
    when = draw_interval(params, rng)
    when = when.moved(int(rng.integers(0, 2000)))
    name = f"{subject}_{'1st' if turn % 2 else '2nd'}_{turn:03d}_01"
    units = draw_content(params, REPERTOIRE, label, session.seed)
    return session.recording(name, [session.event(name, label, units, when)])


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    path = f"gray_micro/{recording.subject}/{recording.name}/Frame_{number:09d}.jpg"
    return [Picture((recording.subject, recording.name), path)]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the label table, with its row of totals."""
    rows = [_row(plan, k) for k, plan in enumerate(events_of(recordings), start=1)]
    total: Row = ["Total", *[None] * 7, *(sum(int(str(row[k])) for row in rows) for k in range(8, 14))]
    return [Table(TABLE_NAME, HEADER, rows, below=[total])]


def _row(plan: ClipPlan, place: int) -> list[Cell]:
    labels = [label.capitalize() for label in plan.emotion.split("+")]
    text = joined(plan.units)
    if plan.seed % 3 == 0 and HELD not in [unit.number for unit in plan.units]:
        text = f"{text}+{HELD}(k)"
    flags: list[Cell] = [int(name in labels) for name in CATEGORIES]
    where: list[Cell] = [place, f"{plan.subject}'", f"{plan.clip}'"]
    when: list[Cell] = [plan.onset, plan.apex, plan.offset]
    return [*where, *when, number_cell(text), "+".join(labels), *flags, len(labels)]


LAYOUT = Layout("fourdme", {"fourdme": Camera({"fps": 60.0}, "grey")}, people, Tree(pictures), tables)
