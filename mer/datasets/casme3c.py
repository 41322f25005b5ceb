"""CAS(ME)^3 part C (Li et al., IEEE TPAMI 2023): 165 micro-expressions of 30 people in a mock crime, 30 fps.

File: `CAS(ME)3_part_C_ME.xlsx` (sheet `mockCrimeME`; the older `CAS(ME)3_part_C.xls` is not read, the owners advise
against it). Experimental: the owners do not document the image tree, so any folder of images that lies in a folder
named after the subject (`spNO.4`, `sub04`, `4`) is taken, one per subject. There is no apex. Onset and offset count
the images in order, not their file names; whether the first image is 0 or 1 is not written down anywhere, and the
option `first_index` says what to assume (one frame, 33 ms, hangs on it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.errors import ClipError
from mer.core.params import Params
from mer.datasets import files, tables
from mer.datasets.alternatives import AlternativesKey
from mer.datasets.annotations import Annotation, Database, assemble, safe_id
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules, frame_number
from mer.datasets.locate import find_table, media_base, require_clips, scan_clips
from mer.datasets.reading import Listing, Reading

NAME = "casme3c"
FPS = 30.0
EMOTIONS = frozenset({"negative", "positive", "surprise", "others"})
TABLES = ("CAS(ME)3_part_C_ME.xlsx",)
FOLDERS = ("part_C", "partC", "Part_C_split")
COLUMNS = {
    "subject": ("sub", "subject"),
    "count": ("count",),
    "onset": ("onset",),
    "offset": ("offset",),
    "aus": ("au", "aus", "actionunits"),
    "emotion": ("emotion", "estimatedemotion"),
}


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field(
        "", description="folder of the subjects' images below the root; `part_C` or the root when empty"
    )
    table: str = Field("", description="annotation table below the root; found by its released name when empty")
    index: Literal["position", "number"] = Field(
        "position", description="what onset and offset count: the images of a folder in order, or their file numbers"
    )
    first_index: Literal[0, 1] = Field(
        1, description="with `index: position`, the index of a folder's first image; the owners do not say which"
    )
    apex: ApexPolicy = Field("midpoint", description="what stands for the apex, which is not annotated")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the expressions of part C below `root`; `errata` has no effect, none are known.

    Raises:
        DatasetError: the root, the annotation table or the image folders are missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, TABLES)
    table = tables.read_table(path, header="sub", sheets=("mockCrimeME",))
    reading = samples_from(table.rows, scan(root, options), options, tables.release_of(path), errata)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`sub04`, `c`) -> colour image paths relative to `root`; two folders of one subject are refused."""
    base = media_base(root, NAME, options.folder, FOLDERS)
    inner = len(base.relative_to(root).parts)

    def key_of(folder: PurePosixPath) -> tuple[str, str] | None:
        parts = folder.parts[inner:]
        if any(part.strip().casefold() == "depth" for part in parts):
            return None
        subject = next((found for part in reversed(parts) if (found := subject_of(part))), None)
        return (subject, "c") if subject else None

    listing = scan_clips(root, base, key_of)
    require_clips(root, NAME, listing, "folders like spNO.4/color/")
    return listing


def subject_of(text: str) -> str | None:
    """Return `sub04` for `4`, `04`, `4.0`, `sub4` or `spNO.4`; None for other text."""
    match = re.fullmatch(r"(?:spno\.?|sub(?:ject)?)?[\s_.\-]*0*([0-9]{1,4})(?:\.0)?", text.strip().casefold(), re.ASCII)
    return f"sub{int(match[1]):02d}" if match else None


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: (`sub04`, `c`) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: without effect, no fault is known.
    """
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME, optional=("count", "aus"))
    rows, text = tables.split_text_rows(rows, ("subject", "onset", "offset"))
    numbers = {key[0]: _numbers(paths, key[0]) for key, paths in listing.items()}
    annotations = [_annotation(row, numbers, options) for row in rows]
    rules = ApexRules(options.apex, annotated=False)
    database = Database(NAME, NAME, FPS, "raw", EMOTIONS, rules, alternatives=options.alternatives)
    return assemble(database, annotations, listing, release).ignored(text)


def _numbers(paths: Sequence[str], where: str) -> list[int]:
    """Return the file numbers of a folder in order; [] where two files share one, which `assemble` reports."""
    try:
        return list(files.numbered(paths, where))
    except ClipError:
        return []


def _annotation(row: tables.Row, numbers: Mapping[str, list[int]], options: Options) -> Annotation:
    subject = subject_of(row["subject"])
    flaws = [] if subject else [("V13", f"Subject {row['subject']!r} is not a subject number")]
    subject = subject or safe_id(row["subject"])
    onset, offset, notes = row["onset"], row["offset"], tuple[str, ...]()
    present = numbers.get(subject, [])
    if options.index == "position" and present:
        places = [_file_number(cell, present, options.first_index) for cell in (onset, offset)]
        if None in places:
            found = f"onset {onset.strip()}, offset {offset.strip()} are not among the {len(present)} images in order"
            flaws.append(("V10", found))
        else:
            notes = (f"images {onset.strip()} to {offset.strip()} in order are files {places[0]} to {places[1]}",)
            onset, offset = str(places[0]), str(places[1])
    return Annotation(
        row.number,
        subject,
        "c",
        onset=onset,
        offset=offset,
        emotion=row["emotion"],
        aus=row["aus"],
        sample_id=f"{subject}/c/{safe_id(row['onset'])}",
        video_id=f"{subject}/c",
        media=(subject, "c"),
        notes=notes,
        flaws=tuple(flaws),
    )


def _file_number(cell: str, present: Sequence[int], first: int) -> int | None:
    """Return the number of the file at a position counted from `first`, None where there is none."""
    place = frame_number(cell)
    if place is None or not 0 <= place - first < len(present):
        return None
    return present[place - first]
