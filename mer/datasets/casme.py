"""CASME (Yan et al., FG 2013): 189 clips, 60 fps. Experimental: layout from public code.

Files: the coding table (columns Subject, Filename, OnsetF, ApexF1, ApexF2, OffsetF, action units, emotion) and cropped
faces `sub01/EP01_5/reg_EP01_5-12.jpg`. The first apex column counts. Corrections that are known by row number only are
not applied; rows that contradict the frames on disk are excluded with the reason instead.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import Field

from mer.core.params import Params
from mer.datasets import owners
from mer.datasets.casme2 import annotation_of, subject_of
from mer.datasets.contract import COLOUR, Database, Licence, MediaTree
from mer.datasets.options import AlternativesKey, ApexAtOnsetKey, ApexMissingKey, RenumberedKey
from mer.datasets.table_reader import TableReader


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field(
        "",
        description="folder of the clips below the root; `CASME`, or the root itself, when empty",
    )
    table: str = Field("", description="annotation table below the root; found by its usual names when empty")
    apex_missing: ApexMissingKey = "midpoint"
    apex_at_onset: ApexAtOnsetKey = "midpoint"
    renumbered: RenumberedKey = None
    alternatives: AlternativesKey = "all"


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    subject = subject_of(folder.parent.name) if folder.parent.name.casefold().startswith("sub") else None
    return (subject, folder.name.strip()) if subject else None


_TREE = MediaTree(
    view="cropped",
    folders=("CASME", "Cropped"),
    example="folders like sub01/EP01_5/",
    key_of=_clip_key,
    bare=lambda folder: len(folder.parts) == 2,
    picture=COLOUR,
)
_NEGATIVE = {"sadness", "disgust", "contempt", "fear", "repression", "tense", "anger"}
DATABASE = Database(
    name="casme",
    fps=60.0,
    emotions=frozenset({"happiness", "surprise", "others"} | _NEGATIVE),
    trees=(_TREE,),
    tables=("Coding Final.xls", "CASME coding final.xls", "CASME.xls"),
)
READER = TableReader(
    name="casme",
    options=Options,
    licence=Licence(owners.CASME, "casme.psych.ac.cn/casme/e1", "Yan et al., FG 2013"),
    databases=(DATABASE,),
    columns={
        "subject": ("subject",),
        "filename": ("filename",),
        "onset": ("onsetf", "onset"),
        "apex": ("apexf1", "apexf", "apex"),
        "offset": ("offsetf", "offset"),
        "aus": ("aus", "au", "actionunits"),
        "emotion": ("emotion", "estimatedemotion"),
    },
    annotate=lambda rows, given: [annotation_of(row) for row in rows],
)
