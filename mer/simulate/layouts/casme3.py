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

from collections.abc import Sequence

from mer.core.seeds import derive_seed
from mer.simulate.content import ROMAN, Repertoire, draw_content, joined, objective_class, subject_labels
from mer.simulate.contract import SLOW, Camera, Layout
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, Session, clip_seed, draw_seconds, events_of, lay_out
from mer.simulate.sheets import Cell, Row, Table, cell_text, number_cell
from mer.simulate.tree import Picture, Tree

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
FIRST_FACE = 600


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per film, by name."""
    labels = [(label, "") for label in subject_labels(params, REPERTOIRE, FIRST_FACE + index)]
    if params.quirks:
        extra = {0: ("others", "capital"), 1: ("others", "offset 0"), 2: ("disgust", "apex at onset")}
        labels.append(extra.get(index, ("others", "others")))
    each = max(2, -(-len(labels) // len(LETTERS)))
    parts = [labels[k : k + each] for k in range(0, len(labels), each)]
    films = [_recording(params, index, letter, part) for letter, part in zip(LETTERS, parts, strict=False)]
    return sorted(films, key=lambda recording: recording.name)


def _recording(params: SimulateParams, index: int, letter: str, labels: list[tuple[str, str]]) -> Recording:
    face = FIRST_FACE + index
    session = Session(f"spNO.{index + 1}", face, params.fps, clip_seed(params, face, letter))
    rng = session.interval_rng()
    kinds = [(label, "micro", quirk) for label, quirk in labels]
    kinds.insert(1, ("others", "macro", ""))
    seconds = [draw_seconds(params, rng, kind == "macro") for _, kind, _ in kinds]
    places, last = lay_out(params.fps, seconds, rng, FIRST_FRAME)
    events, dropped = [], set()
    for turn, ((label, kind, quirk), when) in enumerate(zip(kinds, places, strict=True)):
        units = draw_content(params, REPERTOIRE, label, derive_seed(session.seed, turn), kind == "macro")
        gap = when.apex + 1
        long_enough = when.offset - when.onset + 1 >= DROPPING_LENGTH and gap < when.offset
        if params.quirks and kind == "micro" and long_enough and (session.seed + turn) % 3 == 0:
            dropped.add(gap)
        numbers = [n for n in range(when.onset, when.offset + 1) if n not in dropped]
        name = f"{letter}/{when.onset}{'-macro' if kind == 'macro' else ''}"
        quirk = f"{kind}{', ' if quirk else ''}{quirk}"
        events.append(session.event(name, label, units, when, numbers, quirk))
    return session.recording(letter, events, [n for n in range(FIRST_FRAME, last + 1) if n not in dropped])


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the files of a frame: colour, depth, and the cut clip of the micro-expression it belongs to."""
    subject, letter = recording.subject, recording.name
    folder = f"part_A/data/part_A_split/part_A/{subject}/{letter}"
    files = [
        Picture((subject, letter), f"{folder}/color/{number}.jpg", "raw"),
        Picture((subject, letter), f"{folder}/depth/{number}.png", "raw", depth=True),
    ]
    for plan in recording.events:
        if number in plan.numbers and "micro" in plan.quirk:
            spelling = subject if recording.face % 2 == 0 else subject.replace("NO", "No")
            path = f"Part_A_ME_clip/frame/{spelling}_{letter}_{plan.onset}/{number}.jpg"
            files.append(Picture((subject, f"{letter}_{plan.onset}"), path, "clip"))
    return files


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the label table that the layout's name stands for."""
    plans = events_of(recordings)
    path = TABLES[params.layout]
    if params.layout == "casme3_all":
        blinks = {"eye blink": [["subject no.", "film", "frame"]]}
        return [Table(path, ALL_HEADER, [_all_row(params, plan) for plan in plans], "AU+Emotion", beside=blinks)]
    rows = [_row(params, plan) for plan in plans if "micro" in plan.quirk]
    if params.layout == "casme3_v1":
        return [Table(path, [*HEADER, None, None], [[*row, k, 1] for k, row in enumerate(rows)])]
    text = [[cell_text(cell) for cell in row] for row in rows]
    return [Table(path, HEADER, text, "label", beside={"Sheet1": [], "Sheet3": []})]


def _row(params: SimulateParams, plan: ClipPlan) -> Row:
    emotion = "Others" if "capital" in plan.quirk else TITLES.get(plan.emotion, plan.emotion)
    return [*_where(params, plan), *_when(plan), _au_cell(plan), ROMAN[objective_class(plan.units) - 1], emotion]


def _all_row(params: SimulateParams, plan: ClipPlan) -> Row:
    kind = "Micro-expression" if "micro" in plan.quirk else "Macro-expression"
    return [*_where(params, plan), kind, *_when(plan), _au_cell(plan)]


def _where(params: SimulateParams, plan: ClipPlan) -> list[Cell]:
    letter = plan.clip.partition("/")[0]
    return [plan.subject, letter.upper() if params.quirks and letter == "j" else letter]


def _when(plan: ClipPlan) -> list[Cell]:
    apex = plan.onset if "apex at onset" in plan.quirk else plan.apex
    return [plan.onset, apex, 0 if "offset 0" in plan.quirk else plan.offset]


def _au_cell(plan: ClipPlan) -> Cell:
    text = joined(plan.units)
    return number_cell(text.lower() if plan.seed % 4 == 0 else text)


CAMERA = Camera({"fps": 30.0, "width": 1280, "height": 720, **SLOW})
LAYOUT = Layout("casme3", dict.fromkeys(TABLES, CAMERA), people, Tree(pictures), tables, ("raw", "clip"))
