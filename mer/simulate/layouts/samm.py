"""Simulated recordings laid out as SAMM is delivered (specs/datasets.md §2).

    SAMM_Micro_FACS_Codes_v2.xlsx               13 rows of notes, then the header
    SAMM/006/006_1_3/006_05562.jpg              grey, one channel; onset..offset of a long recording

Frame numbers have 4 or 5 digits, clip by clip. `Subject` is a number or zero-filled text. People, clip names, labels
and action units are those of the layout `samm_lv`.

`quirks` adds one row, on top of the 3-class ones, to each of these subjects:

- 006, *Other*: the alternatives `(R6 or R12)+R15`; the face shows R12+R15;
- 007, *Anger*: apex -1; the true one is exactly halfway;
- 009, *Disgust*: an offset cell with wrong digits; the files and `Duration` are right;
- 010, *Other*: `4B+ ref(7B)`;
- 011, *Surprise*: an action-unit cell with spaces around it;
- 014, 018, 022 ...: *Other*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mer.simulate.content import (
    Repertoire,
    draw_content,
    fixed_units,
    intensity_letter,
    objective_class,
    subject_labels,
)
from mer.simulate.contract import Camera, Layout
from mer.simulate.expression import UnitPlan
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, Session, clip_seed, draw_interval, events_of
from mer.simulate.sheets import Cell, Row, Table, number_cell
from mer.simulate.tree import Picture, Tree

TABLE_NAME = "SAMM_Micro_FACS_Codes_v2.xlsx"
NOTES: tuple[Row, ...] = (
    ("Simulated recordings in the layout of SAMM",),
    (),
    ("No person, frame or code of the real database is in these files.",),
    (),
    ("Key to the action-unit codes",),
    ("/", "or"),
    ("?", "goes on, the end is unclear"),
    ("L", "left side only"),
    ("R", "right side only"),
    ("A", "asymmetric"),
    ("A to E", "intensity"),
    (),
    (),
)
REPERTOIRE = Repertoire(
    (("happiness",), ("anger", "anger", "anger", "contempt", "disgust", "fear", "sadness"), ("surprise",))
)
# The real database has no subjects of these numbers, and corrections are known for these of its clips.
ABSENT = (8, 27, 29)
CORRECTED = {
    "028_4_1", "032_3_1", "032_3_2", "013_1_9", "007_6_1", "007_6_5", "011_4_2", "014_5_2", "035_7_2", "020_6_5",
    "036_7_4",
}  # fmt: skip
TITLES = {"others": "Other"}
FIRST_FACE = 120


@dataclass(frozen=True)
class Content:
    """What a clip of SAMM shows, whatever the recording it lies in."""

    name: str
    label: str
    units: tuple[UnitPlan, ...]
    seed: int
    quirk: str = ""


def subject_name(index: int) -> str:
    """Return the name of subject `index` (from 0): 006, 007, 009 ..."""
    return f"{[n for n in range(6, 6 + index + 1 + len(ABSENT)) if n not in ABSENT][index]:03d}"


def clip_name(subject: str, k: int) -> str:
    """Return the name of a subject's clip `k`: two to each inducement, never a name that has a known correction."""
    film, turn = 1 + (k // 2) % 7, 1 + k % 2 + 2 * (k // 14)
    while f"{subject}_{film}_{turn}" in CORRECTED:
        turn += 20
    return f"{subject}_{film}_{turn}"


def clip_contents(params: SimulateParams, index: int) -> list[Content]:
    """Return what a subject's clips show, by name; `samm_lv` shows the same."""
    face, subject = FIRST_FACE + index, subject_name(index)
    contents = []
    for k, label in enumerate(subject_labels(params, REPERTOIRE, face)):
        seed = clip_seed(params, face, k)
        contents.append(Content(clip_name(subject, k), label, draw_content(params, REPERTOIRE, label, seed), seed))
    if params.quirks:
        contents.append(_quirk(params, index, f"{subject}_7_19", clip_seed(params, face, "quirk")))
    return sorted(contents, key=lambda content: content.name)


def _quirk(params: SimulateParams, index: int, name: str, seed: int) -> Content:
    if index == 0:
        return Content(name, "others", fixed_units(params, seed, (12, "R"), (15, "R")), seed, "alternatives")
    if index == 3:
        return Content(name, "others", fixed_units(params, seed, (4, ""), (7, "")), seed, "reference")
    named = {1: ("anger", "no apex"), 2: ("disgust", "offset"), 4: ("surprise", "spaces")}
    label, quirk = named.get(index, ("others", "others"))
    return Content(name, label, draw_content(params, REPERTOIRE, label, seed), seed, quirk)


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per clip, by name."""
    return [_recording(params, index, content) for content in clip_contents(params, index)]


def _recording(params: SimulateParams, index: int, content: Content) -> Recording:
    session = Session(subject_name(index), FIRST_FACE + index, params.fps, content.seed)
    rng = session.interval_rng()
    when = draw_interval(params, rng, 0.5 if content.quirk == "no apex" else None)
    digits = 4 if rng.random() < 0.5 else 5
    when = when.moved(int(rng.integers(100, 8000 if digits == 4 else 14000)))
    plan = session.event(content.name, content.label, content.units, when, quirk=content.quirk)
    return session.recording(content.name, [plan], kind=str(digits))


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    name = f"{recording.subject}_{number:0{recording.kind}d}.jpg"
    return [Picture((recording.subject, recording.name), f"SAMM/{recording.subject}/{recording.name}/{name}")]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the coding table."""
    rows = [_row(params, plan) for plan in events_of(recordings)]
    return [Table.of(TABLE_NAME, rows, "MICRO_ONLY", NOTES)]


def _row(params: SimulateParams, plan: ClipPlan) -> dict[str, Cell]:
    length = plan.offset - plan.onset + 1
    return {
        "Subject": plan.subject if plan.face % 2 else int(plan.subject),
        "Filename": plan.clip,
        "Inducement Code": int(plan.clip.split("_")[1]),
        "Onset Frame": plan.onset,
        "Apex Frame": -1 if plan.quirk == "no apex" else plan.apex,
        "Offset Frame": plan.offset + 27 if plan.quirk == "offset" else plan.offset,
        "Duration": length,
        "Micro": "Micro - 1/2" if length <= 0.5 * params.fps else "Macro",
        "Action Units": _au_cell(params, plan),
        "Estimated Emotion": TITLES.get(plan.emotion, plan.emotion.capitalize()),
        "Objective Classes": objective_class(plan.units),
        "Notes": "shorter than it looks" if plan.quirk == "others" else None,
    }


def _au_cell(params: SimulateParams, plan: ClipPlan) -> Cell:
    if plan.quirk in ("alternatives", "reference"):
        return {"alternatives": "(R6 or R12)+R15", "reference": "4B+ ref(7B)"}[plan.quirk]
    graded = plan.seed % 2 == 0
    text = "+".join(u.text + (intensity_letter(u, params.intensity) if graded else "") for u in plan.units)
    if plan.quirk == "spaces":
        return f" {text} ".replace("+", " + ")
    return number_cell(text)


LAYOUT = Layout("samm", {"samm": Camera({"width": 960, "height": 650}, "grey")}, people, Tree(pictures), tables)
