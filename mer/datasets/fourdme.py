"""4DME (Li et al., IEEE TAFFC 2022): 267 micro-expressions, grey video at 60 fps. Experimental: public code's layout.

Files: `4DME_Labelling_Micro_release v1.xlsx` and `gray_micro/<sub_ID>/<fold_name>/….jpg` (or another tree named in
`folder`). Emotions may be several (`Surprise+Positive`); a row with one takes part in the class schemes, others do not.
`(k)` marks held action units. Headers and codes may end in an apostrophe, the last row is a total.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pydantic import Field

from mer.core.params import Params
from mer.datasets.annotations import Annotation, RowRules
from mer.datasets.contract import Database, Licence, MediaTree, Picture
from mer.datasets.labels import normalise_emotion
from mer.datasets.options import AlternativesKey, ApexAtOnsetKey, ApexMissingKey, RenumberedKey, TableKey
from mer.datasets.table_reader import EVENT_COLUMNS, Given, TableReader, each, rules_with_apex
from mer.datasets.tables import Row


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the clips below the root; `gray_micro` when empty")
    table: TableKey = ""
    apex_missing: ApexMissingKey = "midpoint"
    apex_at_onset: ApexAtOnsetKey = "midpoint"
    renumbered: RenumberedKey = None
    alternatives: AlternativesKey = "all"


def _code(text: str) -> str:
    return text.strip().strip("'’").strip()


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    return (_code(folder.parent.name), _code(folder.name)) if len(folder.parts) > 1 else None


def _rules(options: Options, annotations: Sequence[Annotation]) -> RowRules:
    """Allow emotions that are several of the known ones, such as `surprise+positive`."""
    several = {normalise_emotion(annotation.emotion) for annotation in annotations if "+" in annotation.emotion}
    known = {emotion for emotion in several if set(re.split(r"\s*\+\s*", emotion)) <= DATABASE.emotions}
    return replace(rules_with_apex(options), more_emotions=frozenset(known))


def _annotation(row: Row, given: Given[Options]) -> Annotation:
    subject, fold = _code(row["subject"]), _code(row["filename"])
    flaws = [("V13", f"{name} is blank") for name, code in (("sub_ID", subject), ("fold_name", fold)) if not code]
    return Annotation.of(row, subject, fold, media=(subject, fold), flaws=tuple(flaws))


_TREE = MediaTree(
    view="raw",
    folders=("gray_micro", "gray_micro_crop", "micro_short_gray_video_cropped"),
    example="folders like gray_micro/<sub_ID>/<fold_name>/",
    key_of=_clip_key,
    picture=Picture(None, 1),
)
DATABASE = Database(
    name="fourdme",
    fps=60.0,
    emotions=frozenset({"positive", "negative", "surprise", "repression", "others"}),
    trees=(_TREE,),
    tables=("4DME_Labelling_Micro_release v1.xlsx",),
)
READER = TableReader(
    name="fourdme",
    options=Options,
    licence=Licence("the 4DME agreement of the University of Oulu", "the paper's authors", "Li et al., TAFFC 2022"),
    databases=(DATABASE,),
    columns={
        **EVENT_COLUMNS,
        "subject": ("subid",),
        "filename": ("foldname",),
        "aus": ("aus", "au"),
        "emotion": ("emotion",),
    },
    header="subid",
    rules=_rules,
    annotate=each(_annotation),
)
