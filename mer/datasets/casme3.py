"""CAS(ME)^3 part A (Li et al., IEEE TPAMI 2023): 860 micro-expressions of 94 people, 30 fps, colour and depth.

Files: `cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx` (micro only, with emotions) or `CAS(ME)3_part_A_v2.xls` (micro and
macro, without), and either the whole recordings `spNO.1/a/color/355.jpg` or the cut clips
`Part_A_ME_clip/frame/spNO.1_a_355/355.jpg`. Frame numbers are the same in both. Recordings drop frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.params import Params
from mer.datasets import owners
from mer.datasets.annotations import Annotation, RowRules, left_out, safe_id
from mer.datasets.contract import Database, Licence, MediaTree, Picture
from mer.datasets.options import AlternativesKey, ApexAtOnsetKey, ApexMissingKey, RenumberedKey
from mer.datasets.table_reader import EVENT_COLUMNS, Given, TableReader, rules_with_apex
from mer.datasets.tables import Row


class Options(Params):
    """Keys of this database in the configuration."""

    view: Literal["raw", "clip"] = Field("raw", description="whole recordings, or the released micro-expression clips")
    folder: str = Field("", description="folder of the images below the root; found by its released name when empty")
    table: str = Field(
        "", description="annotation table below the root; found by its released names when empty, v2 first"
    )
    types: Literal["micro", "macro", "both"] = Field(
        "micro", description="which expressions to keep; others are excluded"
    )
    may_miss: float = Field(0.5, ge=0, le=1, description="share of an interval's frames that may be missing on disk")
    apex_missing: ApexMissingKey = "midpoint"
    apex_at_onset: ApexAtOnsetKey = "midpoint"
    renumbered: RenumberedKey = None
    alternatives: AlternativesKey = "all"


def subject_of(text: str) -> str | None:
    """Return `spNO.1` for `spNO.1`, `spNo1` or `1`; None for other text."""
    match = re.fullmatch(r"(?:spno\.?)?\s*0*([0-9]{1,4})", text.strip().casefold(), re.ASCII)
    return f"spNO.{int(match[1])}" if match else None


def _video_key(folder: PurePosixPath) -> tuple[str, str] | None:
    """Return (`spNO.1`, `a`)."""
    if len(folder.parts) < 3 or folder.name.strip().casefold() not in ("color", "colour"):
        return None
    subject = subject_of(folder.parts[-3])
    return (subject, folder.parts[-2].strip().casefold()) if subject else None


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    """Return (`spNO.1`, `a_355`)."""
    match = re.fullmatch(r"(spno\.?[0-9]+)_([a-z])_([0-9]+)", folder.name.strip().casefold(), re.ASCII)
    if not match or "depth" in (part.casefold() for part in folder.parts):
        return None
    return subject_of(match[1]) or match[1], f"{match[2]}_{int(match[3])}"


def _rules(options: Options, annotations: Sequence[Annotation]) -> RowRules:
    """Allow blank emotions where the table has none at all, as the one of micro- and macro-expressions."""
    blank = not any(annotation.emotion.strip() for annotation in annotations)
    return replace(rules_with_apex(options), longest=2.0, may_miss=options.may_miss, blank_emotion=blank)


def _annotations(rows: Sequence[Row], given: Given[Options]) -> list[Annotation]:
    # The table of micro-expressions alone has no column of types; in the other, a blank cell is a fault.
    typed = any(row["type"].strip() for row in rows)
    return [_annotation(row, "" if typed else "micro", given) for row in rows]


def _annotation(row: Row, untyped: str, given: Given[Options]) -> Annotation:
    subject, letter = subject_of(row["subject"]), row["filename"].strip().casefold()
    flaws = []
    if subject is None or not re.fullmatch(r"[a-z]", letter):
        flaws.append(("V13", f"Subject {row['subject']!r}, Filename {row['filename']!r}: not like spNO.1 and a letter"))
    kind = row["type"].strip().casefold() or untyped
    kind = next((name for name in ("micro", "macro") if name in kind), kind)
    if kind not in ("micro", "macro"):
        flaws.append(("V05", f"type {row['type']!r} is neither macro- nor micro-expression"))
    subject = subject or safe_id(row["subject"])
    video, onset = f"{subject}/{safe_id(letter)}", row["onset"].strip()
    key = f"{video}/{safe_id(onset)}"
    return Annotation.of(
        row,
        subject,
        letter,
        expression_type=kind if kind in ("micro", "macro") else "clip",
        sample_id=f"{key}-macro" if kind == "macro" else key,
        errata_key=key,
        video_id=video,
        media=(subject, letter if given.options.view == "raw" else _clip_of(subject, letter, onset, key, given)),
        flaws=tuple(flaws),
        left_out=left_out(kind, given.options.types),
    )


def _clip_of(subject: str, letter: str, onset: str, key: str, given: Given[Options]) -> str:
    """Return the name of the clip that is cut from an onset; some clips are named after the corrected one."""
    if (subject, f"{letter}_{onset}") in given.listing:
        return f"{letter}_{onset}"
    errata = given.corrections.get(key, ())
    return f"{letter}_{next((e.new for e in errata if e.field == 'onset' and e.of(onset)), onset)}"


_PICTURE = Picture((1280, 720), 3)
_RAW = MediaTree(
    view="raw",
    folders=("part_A_split", "part_A"),
    example="folders like spNO.1/a/color/",
    key_of=_video_key,
    bare=lambda folder: len(folder.parts) == 3,
    picture=_PICTURE,
    recordings=True,
    beside=("depth",),
)
_CLIPS = MediaTree(
    view="selected",
    option="clip",
    folders=("Part_A_ME_clip",),
    example="folders like frame/spNO.1_a_355/",
    key_of=_clip_key,
    bare=lambda folder: [part.casefold() for part in folder.parts[:-1]] in ([], ["frame"]),
    picture=_PICTURE,
    beside=("depth",),
)
DATABASE = Database(
    name="casme3a",
    fps=30.0,
    emotions=frozenset({"disgust", "surprise", "others", "fear", "anger", "sadness", "happiness"}),
    trees=(_RAW, _CLIPS),
    tables=(
        "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        "cas(me)3_part_A_ME_label_JpgIndex_v2_20250903.xlsx",
        "cas(me)3_part_A_ME_label_JpgIndex_v1.xls",
        "CAS(ME)3_part_A_v2.xls",
        "CAS(ME)3_part_A_v1.xls",
    ),
)
READER = TableReader(
    name="casme3",
    options=Options,
    licence=Licence(owners.CASME, "casme.psych.ac.cn/casme/e4", "Li et al., IEEE TPAMI 45(3), 2023"),
    databases=(DATABASE,),
    columns={
        **EVENT_COLUMNS,
        "aus": ("au", "aus", "actionunits"),
        "objective": ("objectiveclass", "objectiveclasses"),
        "emotion": ("emotion", "estimatedemotion"),
        "type": ("expressiontype",),
    },
    optional=("aus", "objective", "emotion", "type"),
    sheets=("label", "AU+Emotion", "Sheet1"),
    rules=_rules,
    annotate=_annotations,
)
