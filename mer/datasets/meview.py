"""MEVIEW (Husak, Cech, Matas, CVWW 2017): expressions in clips of broadcast video, 25 or 30 fps.

Files: `MEVIEW.xls` (sheet `List 1`) and one video per row, named as the column Filename says (`sub01-1.mp4`), anywhere
below the root. There is no apex. Decimal cells are lists of action units (`1.2` is 1 and 2), and so is one that a
spreadsheet program took for a date. Onset and offset 0 mean that the clip has no event.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from mer.core.params import Params
from mer.core.sample import ActionUnit
from mer.datasets.annotations import Annotation, RowRules
from mer.datasets.au import parse_aus
from mer.datasets.contract import Database, Licence, MediaTree, Picture
from mer.datasets.intervals import frame_number
from mer.datasets.options import AlternativesKey, NoApexKey, TableKey
from mer.datasets.table_reader import AUS, Given, TableReader, each, rules_without_apex
from mer.datasets.tables import Row


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the videos below the root; the root itself when empty")
    table: TableKey = ""
    apex: NoApexKey = "midpoint"
    alternatives: AlternativesKey = "all"


def parse_cell(cell: str) -> tuple[tuple[ActionUnit, ...], tuple[str, ...]]:
    """Return units and notes of a cell; decimals and dates are taken as lists first (`2013-02-01` is 1, 2, 13)."""
    date = re.fullmatch(r"\s*[0-9]{2}([0-9]{2})-([0-9]{2})-([0-9]{2})\s*", cell, re.ASCII)
    if date:
        return parse_aus("+".join(str(int(part)) for part in reversed(date.groups())))
    return parse_aus(re.sub(r"(?<=[0-9])\.(?=[0-9])", "+", cell))


def _rules(options: Options, annotations: Sequence[Annotation]) -> RowRules:
    return replace(rules_without_apex(options), blank_emotion=True, parse=parse_cell)


def _annotation(row: Row, given: Given[Options]) -> Annotation:
    number, name = frame_number(row["subject"]), row["filename"].strip()
    match = re.match(r"sub0*([0-9]+)-", name.casefold(), re.ASCII)
    flaws = []
    if number is None or not match or int(match[1]) != number:
        flaws.append(("V13", f"Subject {row['subject']!r} but Filename {name!r}"))
    subject = f"sub{number:02d}" if number is not None else row["subject"]
    no_event = frame_number(row["onset"]) == 0 == frame_number(row["offset"])
    note = row["note"].strip()
    return Annotation.of(
        row,
        subject,
        name,
        **({"onset": "", "offset": ""} if no_event else {}),
        media=("", name),
        notes=(f"note of the table: {note}",) if note else (),
        flaws=tuple(flaws),
        left_out="no event: onset and offset are 0" if no_event else "",
    )


#: Doubtful words are kept as they are; no class scheme takes them in.
_DOUBTFUL = {"fear?", "contempt/disgust"}
DATABASE = Database(
    name="meview",
    emotions=frozenset({"surprise", "happiness", "contempt", "anger", "fear"} | _DOUBTFUL),
    trees=(
        MediaTree(view="raw", folders=("MEVIEW",), example="videos like sub01-1.mp4", picture=Picture((1280, 720))),
    ),
    tables=("MEVIEW.xls",),
)
READER = TableReader(
    name="meview",
    options=Options,
    licence=Licence("the terms of its authors (CTU Prague)", "the paper's authors", "Husak, Cech, Matas, CVWW 2017"),
    databases=(DATABASE,),
    columns={
        "subject": ("subject",),
        "filename": ("filename",),
        "onset": ("onset",),
        "offset": ("offset",),
        "aus": AUS,
        "emotion": ("emotion", "estimatedemotion"),
        "note": ("note", "notes"),
    },
    optional=("note",),
    sheets=("List 1",),
    rules=_rules,
    annotate=each(_annotation),
)
