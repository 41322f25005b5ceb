"""SAMM Long Videos (Yap et al., FG 2020): 343 macro- and 159 micro-movements in 147 videos, 200 fps, grey.

Files: `SAMM_LongVideos_V2_Release.xlsx` (nine preamble rows) and `SAMM_longvideos/006_1/006_1_0001.jpg`. Frame numbers
are not those of SAMM; emotions come from SAMM's own table, joined by file name, where that lies below the root too.
The people are SAMM's, so both share their groups.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.params import Params
from mer.datasets import owners, samm
from mer.datasets.annotations import Annotation, RowRules, left_out, safe_id
from mer.datasets.contract import Database, Licence, MediaTree, Picture
from mer.datasets.intervals import frame_number
from mer.datasets.options import AlternativesKey, ApexAtOnsetKey, ApexMissingKey, RenumberedKey, TablesKey
from mer.datasets.table_reader import AUS, EVENT_COLUMNS, Given, SideTable, TableReader, rules_with_apex
from mer.datasets.tables import Row


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the videos below the root; `SAMM_longvideos` when empty")
    table: TablesKey = ""
    types: Literal["micro", "macro", "both"] = Field("both", description="which movements to keep; others are excluded")
    unknown_onset: Literal["exclude", "keep"] = Field(
        "exclude", description="movements that began before the video (onset 0 or 1 in the table)"
    )
    apex_missing: ApexMissingKey = "midpoint"
    apex_at_onset: ApexAtOnsetKey = "midpoint"
    renumbered: RenumberedKey = None
    alternatives: AlternativesKey = "all"


def _video_key(folder: PurePosixPath) -> tuple[str, str] | None:
    match = re.fullmatch(r"([0-9]{1,3})_[0-9]+", folder.name.strip(), re.ASCII)
    return (f"{int(match[1]):03d}", folder.name.strip()) if match else None


def whole_frame(text: str) -> str:
    """Return a frame cell rounded half up (`123.5` gives `124`): some cells were converted from times."""
    if re.fullmatch(r"\s*[+-]?[0-9]{1,9}\.[0-9]+\s*", text, re.ASCII):
        return str(math.floor(float(text) + 0.5))
    return text


def _rules(options: Options, annotations: Sequence[Annotation]) -> RowRules:
    return replace(rules_with_apex(options), blank_emotion=True)


def _annotations(rows: Sequence[Row], given: Given[Options]) -> list[Annotation]:
    emotions = {row["filename"].strip(): row["emotion"] for row in given.beside["emotions"]}
    return [_annotation(row, given.options, emotions.get(row["filename"].strip(), "")) for row in rows]


def _annotation(row: Row, options: Options, emotion: str) -> Annotation:
    """Return the annotation of a row, given the emotion that SAMM's table has for its file name."""
    subject, name = samm.subject_of(row["subject"]), row["filename"].strip()
    parts = name.split("_")
    kind = row["type"].strip().casefold()
    kind = next((k for k in ("micro", "macro") if kind.startswith(k)), "clip")
    flaws: list[tuple[str, str]] = []
    if subject is None or len(parts) != 3 or samm.subject_of(parts[0]) != subject:
        flaws.append(("V13", f"Subject {row['subject']!r} but Filename {name!r}"))
    if kind == "clip":
        flaws.append(("V05", f"type {row['type']!r} is neither Macro nor Micro"))
    onset, unknown = whole_frame(row["onset"]), ""
    if options.unknown_onset == "exclude" and frame_number(onset) in (0, 1):
        unknown = f"onset {onset.strip()}: the movement began before the video; left out by the option `unknown_onset`"
    subject = subject or safe_id(row["subject"])
    video = "_".join(parts[:2])
    return Annotation.of(
        row,
        subject,
        name,
        onset=onset,
        apex=whole_frame(row["apex"]),
        offset=whole_frame(row["offset"]),
        emotion=emotion if kind == "micro" else "",
        expression_type=kind,
        # One file name stands for a macro- and a micro-movement.
        sample_id=f"{subject}/{safe_id(name)}-{kind}",
        video_id=f"{subject}/{safe_id(video)}",
        media=(subject, video),
        errata_key=name,
        flaws=tuple(flaws),
        left_out=left_out(kind, options.types, "movements") or unknown,
    )


_TREE = MediaTree(
    view="long",
    folders=("SAMM_longvideos", "SAMM_LongVideos"),
    example="folders like SAMM_longvideos/006_1/",
    key_of=_video_key,
    bare=lambda folder: len(folder.parts) == 1,
    picture=Picture(None, 1),
    recordings=True,
    first=1,
)
DATABASE = Database(
    name="samm_lv",
    family="samm",
    fps=200.0,
    emotions=samm.DATABASE.emotions,
    trees=(_TREE,),
    tables=("SAMM_LongVideos_V3_Release.xlsx", "SAMM_LongVideos_V2_Release.xlsx", "SAMM_LongVideos_V1_Release.xlsx"),
)
_EMOTIONS = {"filename": ("filename",), "emotion": ("estimatedemotion",)}
READER = TableReader(
    name="samm_lv",
    options=Options,
    licence=Licence(owners.SAMM, "the paper's authors (M. H. Yap)", "Yap, Kendrick, Yap, FG 2020"),
    databases=(DATABASE,),
    columns={**EVENT_COLUMNS, "type": ("type",), "aus": AUS},
    sheets=("FACS_Movement_Only",),
    side_tables={"emotions": SideTable(_EMOTIONS, names=samm.DATABASE.tables)},
    rules=_rules,
    annotate=_annotations,
)
