"""Simulated recordings laid out as SAMM Long Videos is delivered (specs/datasets.md §6).

    SAMM_LongVideos_V2_Release.xlsx             sheet FACS_Movement_Only, nine rows of notes, then the header
    SAMM_Micro_FACS_Codes_v2.xlsx               SAMM's own table, which holds the emotions of the micro-movements
    SAMM_longvideos/006_1/006_1_0001.jpg        grey, one channel, 1-based; 5 digits in every third video

People, names, labels and action units of the micro-movements are those of the layout `samm`; frame numbers are not.
Each video also has a macro-movement. Every fourth onset is a half number, converted from a time: round it up.

`quirks` adds: in 006 a macro-movement with the name of a micro-movement; in 007 a macro-movement that began before the
video (onset 1); in 009 an offset two frames after the last one; and apex -1 where `samm` has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.expression import UnitPlan
from mer.simulate.layouts import samm
from mer.simulate.layouts.content import MACRO_STRENGTH, PEOPLE, draw_content, intensity_letter, person_seed
from mer.simulate.layouts.footage import Picture, ReaderInput, Recording, Tree, draw_seconds, event, lay_out
from mer.simulate.layouts.sheets import Cell, as_table, write_xlsx
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan

TABLE_NAME = "SAMM_LongVideos_V2_Release.xlsx"
HEADER = (
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset",
    "Apex",
    "Offset",
    "Duration",
    "Type",
    "Action Units",
    "Notes",
)
NOTES: tuple[tuple[Cell, ...], ...] = (
    ("Simulated recordings in the layout of SAMM Long Videos",),
    ("No person, frame or code of the real database is in these files.",),
    (),
    ("Key",),
    ("/", "or"),
    ("?", "goes on, the end is unclear"),
    ("A", "asymmetric"),
    ("A to E", "intensity"),
    (),
)
TYPES = {"micro": "Micro - 1/2", "macro": "Macro"}
PAST_THE_END = 2


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per subject and inducement."""
    found = []
    for k in range(params.subjects):
        contents = samm.clip_contents(params, k)
        for film, clips in groupby(contents, key=lambda clip: int(clip[0].split("_")[1])):
            found.append(_recording(params, k, film, list(clips)))
    return found


def _recording(
    params: SimulateParams, index: int, film: int, clips: list[tuple[str, str, tuple[UnitPlan, ...], int, str]]
) -> Recording:
    subject, person = samm.subject_name(index), PEOPLE["samm"] + index
    seed = person_seed(params, person, f"long {film}")
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    macro_seed = derive_seed(seed, "macro")
    macro = draw_content(params, samm.REPERTOIRE, "others", macro_seed, MACRO_STRENGTH)
    twin = params.quirks and index == 0 and film == 1
    parts = [(name, "micro", label, units, quirk) for name, label, units, _, quirk in clips]
    early = "early" if params.quirks and index == 1 and film == 1 else ""
    name = clips[0][0] if twin else f"{subject}_{film}_31"
    parts.insert(0 if early else 1, (name, "macro", "others", macro, early))
    seconds = [draw_seconds(params, rng, kind == "macro") for _, kind, *_ in parts]
    centred = [quirk == "no apex" for *_, quirk in parts]
    places, last = lay_out(params.fps, seconds, rng, centred=centred, total=params.seconds)
    events = []
    for (name, kind, label, units, quirk), when in zip(parts, places, strict=True):
        plan_quirk = f"{kind}{', ' if quirk else ''}{quirk}"
        clip = f"{name}-{kind}"
        events.append(event((subject, person, params.fps, seed), clip, label, units, when, quirk=plan_quirk))
    return Recording(subject, person, f"{subject}_{film}", tuple(events), tuple(range(1, last + 1)), params.fps, seed)


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    digits = 5 if recording.seed % 3 == 0 else 4
    path = f"SAMM_longvideos/{recording.name}/{recording.name}_{number:0{digits}d}.jpg"
    return [Picture((recording.subject, recording.name), path)]


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below `HEADER`."""
    found: list[list[Cell]] = []
    for recording in TREE.recordings(params):
        for plan in recording.events:
            past = params.quirks and recording.name == "009_1" and plan is recording.events[-1]
            offset = recording.numbers[-1] + PAST_THE_END if past else plan.offset
            found.append(_row(params, plan, offset, len(found)))
    return found


def _row(params: SimulateParams, plan: ClipPlan, offset: int, place: int) -> list[Cell]:
    name, _, kind = plan.clip.partition("-")
    onset: Cell = plan.onset - 0.5 if place % 4 == 3 else plan.onset
    return [
        plan.subject,
        name,
        int(name.split("_")[1]),
        1 if "early" in plan.quirk else onset,
        -1 if "no apex" in plan.quirk else plan.apex,
        offset,
        offset - plan.onset + 1,
        TYPES[kind],
        _au_cell(params, plan, kind),
        "began earlier" if "early" in plan.quirk else None,
    ]


def _au_cell(params: SimulateParams, plan: ClipPlan, kind: str) -> Cell:
    if "alternatives" in plan.quirk:
        return "(R6 or R12)+R15"
    strength = params.intensity * (MACRO_STRENGTH if kind == "macro" else 1.0)
    text = " + ".join(unit.text + intensity_letter(unit, strength) for unit in plan.units)
    return f"AU{text}" if kind == "macro" and plan.seed % 2 else text


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(HEADER, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written."""
    return ReaderInput(table(params), listing(params), {"emotions": samm.table(params)})


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write both tables under `root` and return the path of the long videos' own."""
    samm.write_tables(params, root)
    sheet = [*NOTES, HEADER, *rows(params)]
    return write_xlsx(Path(root) / TABLE_NAME, {"FACS_Movement_Only": sheet})


TREE = Tree(recordings, pictures, sensor=lambda params: "grey")
plan, subjects, listing, write_subject = TREE.plan, TREE.subjects, TREE.listing, TREE.write_subject
