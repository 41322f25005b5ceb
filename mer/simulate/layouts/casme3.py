"""Simulated recordings laid out as part A of CAS(ME)^3 is delivered, with any of its label tables (datasets.md §7).

    part_A/data/part_A_split/part_A/spNO.1/a/color/8.jpg + a/depth/8.png     whole recordings; depth has 16 bits
    Part_A_ME_clip/frame/spNO.1_a_23/23.jpg                                  micro-expressions; some folders `spNo`

| layout | table |
|---|---|
| `casme3` | `cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx`: sheet `label`, micro only, every cell text |
| `casme3_v1` | `cas(me)3_part_A_ME_label_JpgIndex_v1.xlsx` (the owner's is .xls): two columns without a name |
| `casme3_all` | `CAS(ME)3_part_A_v2.xlsx` (the owner's is .xls): micro and macro, no emotions |

Every recording holds two micro-expressions and a macro-expression. The first frames are missing, as in the database.

`quirks` drops one frame of about every third micro-expression of at least 12 frames, writes the film letter `J`, and
adds one row to each person: spNO.1 `Others`; spNO.2 *others* with offset 0, which cannot be mended; spNO.3 *disgust*
with an apex at its onset; the rest *others*.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.layouts.content import (
    MACRO_STRENGTH,
    PEOPLE,
    ROMAN,
    Repertoire,
    draw_content,
    objective_class,
    person_seed,
    subject_labels,
)
from mer.simulate.layouts.footage import (
    Picture,
    ReaderInput,
    Recording,
    Tree,
    chosen_view,
    draw_seconds,
    event,
    lay_out,
)
from mer.simulate.layouts.sheets import Cell, as_table, cell_text, write_xlsx
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan

TABLES = {
    "casme3": "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    "casme3_v1": "cas(me)3_part_A_ME_label_JpgIndex_v1.xlsx",
    "casme3_all": "CAS(ME)3_part_A_v2.xlsx",
}
HEADER = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
ALL_HEADER = ("Subject", "Filename", "Expression type", "Onset", "Apex", "Offset", "AU")
LETTERS = "ajbcdefghiklm"
REPERTOIRE = Repertoire((("happiness",), ("disgust", "disgust", "fear", "anger", "sadness"), ("surprise",)))
TITLES = {"happiness": "happy", "sadness": "sad"}
FIRST_FRAME = 8
DROPPING_LENGTH = 12


def recordings(params: SimulateParams) -> list[Recording]:
    """Return every recording, by subject and film."""
    return [recording for k in range(params.subjects) for recording in _subject(params, k)]


def _subject(params: SimulateParams, index: int) -> list[Recording]:
    person = PEOPLE["casme3"] + index
    labels = [(label, "") for label in subject_labels(params, REPERTOIRE, person)]
    if params.quirks:
        extra = {0: ("others", "capital"), 1: ("others", "offset 0"), 2: ("disgust", "apex at onset")}
        labels.append(extra.get(index, ("others", "others")))
    each = max(2, -(-len(labels) // len(LETTERS)))
    parts = [labels[k : k + each] for k in range(0, len(labels), each)]
    found = [_recording(params, index, letter, part) for letter, part in zip(LETTERS, parts, strict=False)]
    return sorted(found, key=lambda recording: recording.name)


def _recording(params: SimulateParams, index: int, letter: str, labels: list[tuple[str, str]]) -> Recording:
    person, subject = PEOPLE["casme3"] + index, f"spNO.{index + 1}"
    seed = person_seed(params, person, letter)
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    kinds = [(label, "micro", quirk) for label, quirk in labels]
    kinds.insert(1, ("others", "macro", ""))
    seconds = [draw_seconds(params, rng, kind == "macro") for _, kind, _ in kinds]
    places, last = lay_out(params.fps, seconds, rng, FIRST_FRAME)
    events, dropped = [], set()
    for turn, ((label, kind, quirk), when) in enumerate(zip(kinds, places, strict=True)):
        units = draw_content(
            params, REPERTOIRE, label, derive_seed(seed, turn), MACRO_STRENGTH if kind == "macro" else 1.0
        )
        gap = when.apex + 1
        long_enough = when.offset - when.onset + 1 >= DROPPING_LENGTH and gap < when.offset
        if params.quirks and kind == "micro" and long_enough and (seed + turn) % 3 == 0:
            dropped.add(gap)
        numbers = [n for n in range(when.onset, when.offset + 1) if n not in dropped]
        name = f"{letter}/{when.onset}{'-macro' if kind == 'macro' else ''}"
        quirk = f"{kind}{', ' if quirk else ''}{quirk}"
        events.append(event((subject, person, params.fps, seed), name, label, units, when, numbers, quirk))
    kept = tuple(n for n in range(FIRST_FRAME, last + 1) if n not in dropped)
    return Recording(subject, person, letter, tuple(events), kept, params.fps, seed)


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the files of a frame: colour, depth, and the cut clip of the micro-expression it belongs to."""
    subject, letter = recording.subject, recording.name
    folder = f"part_A/data/part_A_split/part_A/{subject}/{letter}"
    found = [
        Picture((subject, letter), f"{folder}/color/{number}.jpg", "raw"),
        Picture((subject, letter), f"{folder}/depth/{number}.png", "raw", depth=True),
    ]
    for plan in recording.events:
        if number in plan.numbers and "micro" in plan.quirk:
            spelling = subject if recording.person % 2 == 0 else subject.replace("NO", "No")
            path = f"Part_A_ME_clip/frame/{spelling}_{letter}_{plan.onset}/{number}.jpg"
            found.append(Picture((subject, f"{letter}_{plan.onset}"), path, "clip"))
    return found


def listing(params: SimulateParams, view: str = "raw") -> dict[tuple[str, str], list[str]]:
    """Return the files of each recording or, with view `clip`, of each cut clip, relative to the root."""
    return TREE.listing(params, view)


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below the header of the layout's table."""
    plans = TREE.plan(params)
    if params.layout == "casme3_all":
        return [_all_row(params, plan) for plan in plans]
    found = [_row(params, plan) for plan in plans if "micro" in plan.quirk]
    return [[cell_text(cell) for cell in row] for row in found] if params.layout == "casme3" else found


def _row(params: SimulateParams, plan: ClipPlan) -> list[Cell]:
    emotion = "Others" if "capital" in plan.quirk else TITLES.get(plan.emotion, plan.emotion)
    return [*_where(params, plan), *_when(plan), _au_cell(plan), ROMAN[objective_class(plan.units) - 1], emotion]


def _all_row(params: SimulateParams, plan: ClipPlan) -> list[Cell]:
    kind = "Micro-expression" if "micro" in plan.quirk else "Macro-expression"
    return [*_where(params, plan), kind, *_when(plan), _au_cell(plan)]


def _where(params: SimulateParams, plan: ClipPlan) -> list[Cell]:
    letter = plan.clip.partition("/")[0]
    return [plan.subject, letter.upper() if params.quirks and letter == "j" else letter]


def _when(plan: ClipPlan) -> list[Cell]:
    apex = plan.onset if "apex at onset" in plan.quirk else plan.apex
    return [plan.onset, apex, 0 if "offset 0" in plan.quirk else plan.offset]


def _au_cell(plan: ClipPlan) -> Cell:
    text = "+".join(unit.text for unit in plan.units)
    text = text.lower() if plan.seed % 4 == 0 else text
    return int(text) if text.isdigit() else text


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(ALL_HEADER if params.layout == "casme3_all" else HEADER, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written."""
    return ReaderInput(table(params), listing(params, chosen_view(options, ("raw", "clip"), params.layout)))


def sheets(params: SimulateParams) -> dict[str, list[list[Cell]]]:
    """Return the sheets of the layout's table, header included."""
    cells = rows(params)
    if params.layout == "casme3_all":
        return {"AU+Emotion": [list(ALL_HEADER), *cells], "eye blink": [["subject no.", "film", "frame"]]}
    if params.layout == "casme3_v1":
        return {"Sheet1": [[*HEADER, None, None], *([*row, k, 1] for k, row in enumerate(cells))]}
    return {"label": [list(HEADER), *cells], "Sheet1": [], "Sheet3": []}


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the label table under `root` and return its path; equal parameters give equal bytes."""
    return write_xlsx(Path(root) / TABLES[params.layout], sheets(params))


TREE = Tree(recordings, pictures)
plan, subjects, write_subject = TREE.plan, TREE.subjects, TREE.write_subject
