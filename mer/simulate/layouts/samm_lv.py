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

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from mer.core.seeds import derive_seed
from mer.simulate.content import MACRO_STRENGTH, draw_content, intensity_letter
from mer.simulate.contract import Layout
from mer.simulate.layouts import samm
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, Session, clip_seed, draw_seconds, lay_out
from mer.simulate.sheets import Cell, Row, Table
from mer.simulate.tree import Picture, Tree

TABLE_NAME = "SAMM_LongVideos_V2_Release.xlsx"
NOTES: tuple[Row, ...] = (
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


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per inducement."""
    films = groupby(samm.clip_contents(params, index), key=lambda content: int(content.name.split("_")[1]))
    return [_recording(params, index, film, list(contents)) for film, contents in films]


def _recording(params: SimulateParams, index: int, film: int, contents: list[samm.Content]) -> Recording:
    subject, face = samm.subject_name(index), samm.FIRST_FACE + index
    session = Session(subject, face, params.fps, clip_seed(params, face, f"long {film}"))
    rng = session.interval_rng()
    macro_seed = derive_seed(session.seed, "macro")
    units = draw_content(params, samm.REPERTOIRE, "others", macro_seed, macro=True)
    twin = params.quirks and index == 0 and film == 1
    early = "early" if params.quirks and index == 1 and film == 1 else ""
    name = contents[0].name if twin else f"{subject}_{film}_31"
    parts = [("micro", content) for content in contents]
    parts.insert(0 if early else 1, ("macro", samm.Content(name, "others", units, macro_seed, early)))
    seconds = [draw_seconds(params, rng, kind == "macro") for kind, _ in parts]
    centred = [content.quirk == "no apex" for _, content in parts]
    places, last = lay_out(params.fps, seconds, rng, centred=centred, total=params.seconds)
    events = []
    for (kind, content), when in zip(parts, places, strict=True):
        quirk = f"{kind}{', ' if content.quirk else ''}{content.quirk}"
        events.append(session.event(f"{content.name}-{kind}", content.label, content.units, when, quirk=quirk))
    return session.recording(f"{subject}_{film}", events, range(1, last + 1))


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    digits = 5 if recording.seed % 3 == 0 else 4
    path = f"SAMM_longvideos/{recording.name}/{recording.name}_{number:0{digits}d}.jpg"
    return [Picture((recording.subject, recording.name), path)]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the table of movements and SAMM's own, from which the emotions come."""
    rows: list[dict[str, Cell]] = []
    for recording in recordings:
        for plan in recording.events:
            past = params.quirks and recording.name == "009_1" and plan is recording.events[-1]
            offset = recording.numbers[-1] + PAST_THE_END if past else plan.offset
            rows.append(_row(params, plan, offset, len(rows)))
    emotions = samm.tables(params, samm.LAYOUT.recordings(params))[0]
    return [
        Table.of(TABLE_NAME, rows, "FACS_Movement_Only", NOTES),
        replace(emotions, argument="emotions"),
    ]


def _row(params: SimulateParams, plan: ClipPlan, offset: int, place: int) -> dict[str, Cell]:
    name, _, kind = plan.clip.partition("-")
    onset: Cell = plan.onset - 0.5 if place % 4 == 3 else plan.onset
    return {
        "Subject": plan.subject,
        "Filename": name,
        "Inducement Code": int(name.split("_")[1]),
        "Onset": 1 if "early" in plan.quirk else onset,
        "Apex": -1 if "no apex" in plan.quirk else plan.apex,
        "Offset": offset,
        "Duration": offset - plan.onset + 1,
        "Type": TYPES[kind],
        "Action Units": _au_cell(params, plan, kind),
        "Notes": "began earlier" if "early" in plan.quirk else None,
    }


def _au_cell(params: SimulateParams, plan: ClipPlan, kind: str) -> str:
    if "alternatives" in plan.quirk:
        return "(R6 or R12)+R15"
    strength = params.intensity * (MACRO_STRENGTH if kind == "macro" else 1.0)
    text = " + ".join(unit.text + intensity_letter(unit, strength) for unit in plan.units)
    return f"AU{text}" if kind == "macro" and plan.seed % 2 else text


LAYOUT = Layout("samm_lv", {"samm_lv": samm.LAYOUT.cameras["samm"]}, people, Tree(pictures), tables)
