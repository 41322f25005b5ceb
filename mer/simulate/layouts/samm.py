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
    intensity_letter,
    objective_class,
    person_seed,
    subject_labels,
)
from mer.simulate.layouts.footage import Picture, ReaderInput, Recording, Tree, event, moved
from mer.simulate.layouts.sheets import Cell, as_table, write_xlsx
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, draw_interval

TABLE_NAME = "SAMM_Micro_FACS_Codes_v2.xlsx"
HEADER = (
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Duration",
    "Micro",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
    "Notes",
)
NOTES: tuple[tuple[Cell, ...], ...] = (
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


def subject_name(index: int) -> str:
    """Return the name of subject `index` (from 0): 006, 007, 009 ..."""
    return f"{[n for n in range(6, 6 + index + 1 + len(ABSENT)) if n not in ABSENT][index]:03d}"


def clip_name(subject: str, k: int) -> str:
    """Return the name of a subject's clip `k`: two to each inducement, never a name that has a known correction."""
    film, turn = 1 + (k // 2) % 7, 1 + k % 2 + 2 * (k // 14)
    while f"{subject}_{film}_{turn}" in CORRECTED:
        turn += 20
    return f"{subject}_{film}_{turn}"


def clip_contents(params: SimulateParams, index: int) -> list[tuple[str, str, tuple[UnitPlan, ...], int, str]]:
    """Return (name, label, action units, seed, quirk) of a subject's clips; `samm_lv` shows the same ones."""
    person, subject = PEOPLE["samm"] + index, subject_name(index)
    found = []
    for k, label in enumerate(subject_labels(params, REPERTOIRE, person)):
        seed = person_seed(params, person, k)
        found.append((clip_name(subject, k), label, draw_content(params, REPERTOIRE, label, seed), seed, ""))
    if params.quirks:
        found += [_quirk(params, index, person, f"{subject}_7_19")]
    return sorted(found, key=lambda clip: clip[0])


def _quirk(
    params: SimulateParams, index: int, person: int, name: str
) -> tuple[str, str, tuple[UnitPlan, ...], int, str]:
    seed = person_seed(params, person, "quirk")
    if index == 0:
        return name, "others", fixed_units(params, seed, (12, "R"), (15, "R")), seed, "alternatives"
    if index == 3:
        return name, "others", fixed_units(params, seed, (4, ""), (7, "")), seed, "reference"
    label, quirk = {1: ("anger", "no apex"), 2: ("disgust", "offset"), 4: ("surprise", "spaces")}.get(
        index, ("others", "others")
    )
    return name, label, draw_content(params, REPERTOIRE, label, seed), seed, quirk


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per clip, by subject and name."""
    return [_recording(params, k, clip) for k in range(params.subjects) for clip in clip_contents(params, k)]


def _recording(
    params: SimulateParams, index: int, contents: tuple[str, str, tuple[UnitPlan, ...], int, str]
) -> Recording:
    name, label, units, seed, quirk = contents
    subject, person = subject_name(index), PEOPLE["samm"] + index
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    when = draw_interval(params, rng, 0.5 if quirk == "no apex" else None)
    digits = 4 if rng.random() < 0.5 else 5
    when = moved(when, int(rng.integers(100, 8000 if digits == 4 else 14000)))
    plan = event((subject, person, params.fps, seed), name, label, units, when, quirk=quirk)
    return Recording(subject, person, name, (plan,), plan.numbers, params.fps, seed, str(digits))


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    name = f"{recording.subject}_{number:0{recording.kind}d}.jpg"
    return [Picture((recording.subject, recording.name), f"SAMM/{recording.subject}/{recording.name}/{name}")]


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below `HEADER`."""
    return [_row(params, plan) for plan in TREE.plan(params)]


def _row(params: SimulateParams, plan: ClipPlan) -> list[Cell]:
    length = plan.offset - plan.onset + 1
    return [
        plan.subject if plan.subject_index % 2 else int(plan.subject),
        plan.clip,
        int(plan.clip.split("_")[1]),
        plan.onset,
        -1 if plan.quirk == "no apex" else plan.apex,
        plan.offset + 27 if plan.quirk == "offset" else plan.offset,
        length,
        "Micro - 1/2" if length <= 0.5 * params.fps else "Macro",
        au_cell(params, plan),
        TITLES.get(plan.emotion, plan.emotion.capitalize()),
        objective_class(plan.units),
        "shorter than it looks" if plan.quirk == "others" else None,
    ]


def au_cell(params: SimulateParams, plan: ClipPlan) -> Cell:
    """Return the action-unit cell: a number where one plain unit is coded, intensities in every other clip."""
    if plan.quirk in ("alternatives", "reference"):
        return {"alternatives": "(R6 or R12)+R15", "reference": "4B+ ref(7B)"}[plan.quirk]
    graded = plan.seed % 2 == 0
    text = "+".join(u.text + (intensity_letter(u, params.intensity) if graded else "") for u in plan.units)
    if plan.quirk == "spaces":
        return f" {text} ".replace("+", " + ")
    return int(text) if text.isdigit() else text


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(HEADER, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written."""
    return ReaderInput(table(params), listing(params))


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the coding table under `root` and return its path; equal parameters give equal bytes."""
    sheet = [*NOTES, HEADER, *rows(params)]
    return write_xlsx(Path(root) / TABLE_NAME, {"MICRO_ONLY": sheet})


TREE = Tree(recordings, pictures, sensor=lambda params: "grey")
plan, subjects, listing, write_subject = TREE.plan, TREE.subjects, TREE.listing, TREE.write_subject
