"""MEVIEW (Husak, Cech, Matas, CVWW 2017): expressions in clips of broadcast video, 25 or 30 fps.

Files: `MEVIEW.xls` (sheet `List 1`) and one video per row, named as the column Filename says (`sub01-1.mp4`), anywhere
below the root. There is no apex. Decimal cells are lists of action units (`1.2` is 1 and 2), and so is one that a
spreadsheet program took for a date. Onset and offset 0 mean that the clip has no event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from mer.core.params import Params
from mer.core.sample import ActionUnit
from mer.datasets import files, tables
from mer.datasets.alternatives import AlternativesKey
from mer.datasets.annotations import Annotation, Database, assemble, safe_id
from mer.datasets.au import parse_aus
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules, frame_number
from mer.datasets.locate import find_table, media_base, require_clips, scan_videos
from mer.datasets.reading import Listing, Reading

NAME = "meview"
#: Doubtful words are kept as they are; no class scheme takes them in.
EMOTIONS = frozenset({"surprise", "happiness", "contempt", "anger", "fear", "fear?", "contempt/disgust"})
COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onset",),
    "offset": ("offset",),
    "aus": ("actionunits", "actionunit", "aus"),
    "emotion": ("emotion", "estimatedemotion"),
    "note": ("note", "notes"),
}


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the videos below the root; the root itself when empty")
    table: str = Field("", description="annotation table below the root; found by its released name when empty")
    apex: ApexPolicy = Field("midpoint", description="what stands for the apex, which is not annotated")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the expressions below `root`; `errata` has no effect, none are known.

    Raises:
        DatasetError: the root, the annotation table or the videos are missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, ("MEVIEW.xls",))
    table = tables.read_table(path, sheets=("List 1",))
    videos = scan_videos(root, media_base(root, NAME, options.folder, ("MEVIEW",)))
    require_clips(root, NAME, videos, "videos like sub01-1.mp4")
    listing = {("", name): paths for name, paths in videos.items()}
    reading = samples_from(table.rows, listing, options, tables.release_of(path), errata)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def parse_cell(cell: str) -> tuple[tuple[ActionUnit, ...], tuple[str, ...]]:
    """Return units and notes of a cell; decimals and dates are taken as lists first (`2013-02-01` is 1, 2, 13)."""
    date = re.fullmatch(r"\s*[0-9]{2}([0-9]{2})-([0-9]{2})-([0-9]{2})\s*", cell, re.ASCII)
    if date:
        return parse_aus("+".join(str(int(part)) for part in reversed(date.groups())))
    return parse_aus(re.sub(r"(?<=[0-9])\.(?=[0-9])", "+", cell))


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: ("", file name without extension, lower case) -> video paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: without effect, no fault is known.
    """
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME, optional=("note",))
    rows, text = tables.split_text_rows(rows, ("subject", "filename", "onset", "offset"))
    annotations = [_annotation(row) for row in rows]
    rules = ApexRules(options.apex, annotated=False)
    database = Database(
        NAME,
        NAME,
        None,
        "raw",
        EMOTIONS,
        rules,
        blank_emotion=True,
        parse=parse_cell,
        alternatives=options.alternatives,
    )
    return assemble(database, annotations, listing, release).ignored(text)


def _annotation(row: tables.Row) -> Annotation:
    number, name = frame_number(row["subject"]), row["filename"].strip()
    match = re.match(r"sub0*([0-9]+)-", name.casefold(), re.ASCII)
    flaws = []
    if number is None or not match or int(match[1]) != number:
        flaws.append(("V13", f"Subject {row['subject']!r} but Filename {name!r}"))
    subject = f"sub{number:02d}" if number is not None else safe_id(row["subject"])
    nothing = frame_number(row["onset"]) == 0 == frame_number(row["offset"])
    return Annotation(
        row.number,
        subject,
        name,
        onset="" if nothing else row["onset"],
        offset="" if nothing else row["offset"],
        emotion=row["emotion"],
        aus=row["aus"],
        sample_id=f"{subject}/{safe_id(name)}",
        media=("", name),
        notes=(f"note of the table: {row['note'].strip()}",) if row["note"].strip() else (),
        flaws=tuple(flaws),
        left_out="no event: onset and offset are 0" if nothing else "",
    )
