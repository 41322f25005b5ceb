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

from collections.abc import Sequence

from mer.simulate.content import Repertoire, draw_content, subject_labels
from mer.simulate.contract import Camera, Layout
from mer.simulate.expression import UnitPlan
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Interval, Recording, Session, clip_seed, draw_interval, events_of
from mer.simulate.sheets import Cell, Row, Table, number_cell
from mer.simulate.tree import Picture, Tree

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
FIRST_FACE = 360


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per clip, by name."""
    subject = f"S{index + 1:02d}"
    clips = [
        _recording(params, index, turn, f"{subject}-{CODES[label]:02d}-{turn:03d}", label)
        for turn, label in enumerate(subject_labels(params, REPERTOIRE, FIRST_FACE + index), start=11)
    ]
    if params.quirks and subject == "S04":
        clips.append(_recording(params, index, "quirk", CORRECTED, "happiness", "corrected"))
    elif params.quirks:
        quirk = "longer" if subject == "S01" else "others"
        clips.append(_recording(params, index, "quirk", f"{subject}-04-041", "others", quirk))
    return sorted(clips, key=lambda clip: clip.name)


def _recording(params: SimulateParams, index: int, key: object, name: str, label: str, quirk: str = "") -> Recording:
    face = FIRST_FACE + index
    session = Session(f"S{index + 1:02d}", face, params.fps, clip_seed(params, face, key))
    when = draw_interval(params, session.interval_rng())
    when = Interval(1, *TRUE, recorded=TRUE[1]) if quirk == "corrected" else when.moved(1 - when.onset)
    numbers = range(1, when.offset + 1 + (SURPLUS if quirk == "longer" else 0))
    units = draw_content(params, REPERTOIRE, label, session.seed)
    return session.recording(name, [session.event(name, label, units, when, numbers, quirk)])


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    label = recording.events[0].emotion
    folder = f"MMEW_Final/Micro_Expression/{'repression' if label == 'others' else label}/{recording.name}"
    return [Picture((recording.subject, recording.name), f"{folder}/{number}.jpg", cropped=True)]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the coding table."""
    return [Table(TABLE_NAME, HEADER, [_row(plan) for plan in events_of(recordings)])]


def _row(plan: ClipPlan) -> Row:
    apex, offset = RELEASED if plan.quirk == "corrected" else (plan.apex, plan.offset)
    return [int(plan.subject[1:]), plan.clip, plan.onset, apex, offset, _au_cell(plan), plan.emotion, None]


def _au_cell(plan: ClipPlan) -> Cell:
    units = plan.units[::-1] if plan.seed % 3 == 0 else plan.units
    text = "+".join(_unit(unit, plan.seed % 2 == 0) for unit in units)
    return number_cell(text)


def _unit(unit: UnitPlan, behind: bool) -> str:
    return f"{unit.number}{unit.side}" if behind else unit.text


# 231 pixels, as in the release, where the frames are 384 pixels high.
TREE = Tree(pictures, window=231 / 384)
LAYOUT = Layout("mmew", {"mmew": Camera({"fps": 90.0, "width": 512, "height": 384})}, people, TREE, tables)
