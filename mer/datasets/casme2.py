"""CASME II (Yan et al., PLoS ONE 2014): 255 clips of 26 people, 200 fps.

Files: `CASME2-coding-20190701.xlsx` or `-20140508.xlsx`, optionally `CASME2-ObjectiveClasses.xlsx`, and one of
the image trees CASME2-RAW (whole recordings), CASME2_RAW_selected (onset to offset) or Cropped (faces), each
`sub01/EP02_01f/…46.jpg`. File names repeat across subjects, so the key is (Subject, Filename). The 2014 and 2019
tables differ in three emotions and 53 AU cells; the row's `release` says which one was read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field

from mer.core.params import Params
from mer.datasets import owners
from mer.datasets.annotations import Annotation
from mer.datasets.contract import COLOUR, VGA, Database, Licence, MediaTree
from mer.datasets.files import find_media, scan_clips
from mer.datasets.labels import objective_class
from mer.datasets.options import AlternativesKey, ApexAtOnsetKey, ApexMissingKey, RenumberedKey, TreeKey
from mer.datasets.table_reader import AUS, EMOTION, EVENT_COLUMNS, OBJECTIVE, Given, SideTable, TableReader
from mer.datasets.tables import Row


class Options(Params):
    """Keys of this database in the configuration."""

    view: TreeKey = "selected"
    table: str = Field(
        "", description="annotation table below the root; found by its released names when empty, 2019 first"
    )
    apex_missing: ApexMissingKey = "midpoint"
    apex_at_onset: ApexAtOnsetKey = "midpoint"
    renumbered: RenumberedKey = None
    alternatives: AlternativesKey = "all"


def subject_of(text: str) -> str | None:
    """Return `sub01` for `1`, `01`, `sub1` or `Sub01`; None for other text."""
    match = re.fullmatch(r"(?:sub(?:ject)?)?[\s_.\-]*([0-9]{1,3})(?:\.0)?", text.strip().casefold(), re.ASCII)
    return f"sub{int(match[1]):02d}" if match else None


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    subject = subject_of(folder.parent.name)
    return (subject, folder.name.strip()) if subject else None


def _scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    others = ", ".join(tree.view for tree in DATABASE.trees if tree.view != options.view)
    base = find_media(root, DATABASE.name, READER.tree(options).folders, f"set view to {others}")
    return scan_clips(root, base, _clip_key)


def _annotations(rows: Sequence[Row], given: Given[Options]) -> list[Annotation]:
    classes = {_clip(row): row["objective"] for row in given.beside["objective"]}
    return [annotation_of(row, **_objective(row, classes.get(_clip(row), ""))) for row in rows]


def _objective(row: Row, beside: str) -> dict[str, Any]:
    """Return the objective class of the workbook beside the table or, without one, of the table's own column."""
    own = row["objective"]
    differ = beside.strip() and own.strip() and objective_class(beside) != objective_class(own)
    notes = (f"objective class {beside!r} in the workbook beside the table, {own!r} in the table",) if differ else ()
    return {"objective": beside or own, "notes": notes}


def _clip(row: Row) -> tuple[str | None, str]:
    return subject_of(row["subject"]), row["filename"].strip().casefold()


def annotation_of(row: Row, **cells: Any) -> Annotation:
    """Return the annotation of a row whose Subject is a number, which need not be the case, and Filename a clip."""
    subject, clip = subject_of(row["subject"]), row["filename"].strip()
    flaws = [("V13", f"Subject {row['subject']!r} is not a subject number")] if subject is None else []
    flaws += [] if clip else [("V13", "Filename is blank")]
    return Annotation.of(row, subject or row["subject"], clip, flaws=tuple(flaws), **cells)


_SELECTED = ("CASME2_RAW_selected", "CASME2-RAW-selected", "RAW_selected")
_CROPPED = ("Cropped", "Cropped-updated", "CASME2_Cropped")
DATABASE = Database(
    name="casme2",
    fps=200.0,
    emotions=frozenset({"disgust", "fear", "happiness", "others", "repression", "sadness", "surprise"}),
    trees=(
        MediaTree(view="raw", folders=("CASME2-RAW", "CASME2_RAW"), picture=VGA, recordings=True, first=1),
        MediaTree(view="selected", folders=_SELECTED, picture=VGA),
        MediaTree(view="cropped", folders=_CROPPED, picture=COLOUR),
    ),
    tables=("CASME2-coding-20190701.xlsx", "CASME2-coding-20140508.xlsx"),
)
_OBJECTIVE = {
    "subject": ("subject",),
    "filename": ("filename",),
    "objective": OBJECTIVE,
}
READER = TableReader(
    name="casme2",
    options=Options,
    licence=Licence(owners.CASME, "casme.psych.ac.cn/casme/e2", "Yan et al., PLoS ONE 9(1):e86041, 2014"),
    databases=(DATABASE,),
    columns={**EVENT_COLUMNS, "aus": AUS, "emotion": EMOTION, "objective": OBJECTIVE},
    optional=("objective",),
    side_tables={"objective": SideTable(_OBJECTIVE, names=("CASME2-ObjectiveClasses.xlsx",))},
    annotate=_annotations,
    scan_media=_scan,
)
