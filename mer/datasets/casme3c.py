"""CAS(ME)^3 part C (Li et al., IEEE TPAMI 2023): 165 micro-expressions of 30 people in a mock crime, 30 fps.

File: `CAS(ME)3_part_C_ME.xlsx` (sheet `mockCrimeME`; the older `CAS(ME)3_part_C.xls` is not read, the owners advise
against it). Experimental: the owners do not document the image tree, so any folder of images that lies in a folder
named after the subject (`spNO.4`, `sub04`, `4`) is taken, one per subject. There is no apex. Onset and offset count
the images in order, not their file names; whether the first image is 0 or 1 is not written down anywhere, and the
option `first_index` says what to assume (one frame, 33 ms, hangs on it).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.errors import ClipError
from mer.core.params import Params
from mer.datasets import files, owners
from mer.datasets.annotations import Annotation, safe_id
from mer.datasets.contract import Database, Licence, MediaTree, Picture
from mer.datasets.files import media_base, require_clips, scan_clips
from mer.datasets.intervals import frame_number
from mer.datasets.options import AlternativesKey, NoApexKey, TableKey
from mer.datasets.table_reader import Given, TableReader, rules_without_apex
from mer.datasets.tables import Row


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field(
        "",
        description="folder of the subjects' images below the root; `part_C`, or the root itself, when empty",
    )
    table: TableKey = ""
    index: Literal["position", "number"] = Field(
        "position", description="what onset and offset count: the images of a folder in order, or their file numbers"
    )
    first_index: Literal[0, 1] = Field(
        1, description="with `index: position`, the index of a folder's first image; the owners do not say which"
    )
    apex: NoApexKey = "midpoint"
    alternatives: AlternativesKey = "all"


def _scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`sub04`, `c`) -> colour image paths relative to `root`; two folders of one subject are refused."""
    base = media_base(root, DATABASE.name, options.folder, _TREE)
    above = base.relative_to(root)
    listing = scan_clips(root, base, lambda folder: _key_of(folder.relative_to(above)), _TREE.beside)
    require_clips(root, DATABASE.name, listing, _TREE.example)
    return listing


def _key_of(folder: PurePosixPath) -> tuple[str, str] | None:
    """Return (`sub04`, `c`) of a folder relative to the top folder."""
    if any(part.strip().casefold() == "depth" for part in folder.parts):
        return None
    subject = next((name for part in reversed(folder.parts) if (name := subject_of(part))), None)
    return (subject, "c") if subject else None


def subject_of(text: str) -> str | None:
    """Return `sub04` for `4`, `04`, `4.0`, `sub4` or `spNO.4`; None for other text."""
    match = re.fullmatch(r"(?:spno\.?|sub(?:ject)?)?[\s_.\-]*0*([0-9]{1,4})(?:\.0)?", text.strip().casefold(), re.ASCII)
    return f"sub{int(match[1]):02d}" if match else None


def _annotations(rows: Sequence[Row], given: Given[Options]) -> list[Annotation]:
    numbers = {key[0]: _numbers(paths, key[0]) for key, paths in given.listing.items()}
    return [_annotation(row, numbers.get(_subject(row), []), given.options) for row in rows]


def _subject(row: Row) -> str:
    return subject_of(row["subject"]) or safe_id(row["subject"])


def _numbers(paths: Sequence[str], where: str) -> list[int]:
    """Return the file numbers of a folder in order; [] where two files share one, which `assemble` reports."""
    try:
        return list(files.numbered(paths, where))
    except ClipError:
        return []


def _annotation(row: Row, numbers: Sequence[int], options: Options) -> Annotation:
    """Return the annotation of a row, given the file numbers of its subject's folder in order."""
    subject, onset, offset = _subject(row), row["onset"].strip(), row["offset"].strip()
    flaws = [] if subject_of(row["subject"]) else [("V13", f"Subject {row['subject']!r} is not a subject number")]
    cells: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if options.index == "position" and numbers:
        first, last = (_file_number(cell, numbers, options.first_index) for cell in (onset, offset))
        if first is None or last is None:
            fault = f"onset {onset}, offset {offset} are not among the {len(numbers)} images in order"
            flaws.append(("V10", fault))
        else:
            notes = (f"images {onset} to {offset} in order are files {first} to {last}",)
            cells = {"onset": str(first), "offset": str(last)}
    return Annotation.of(
        row,
        subject,
        "c",
        **cells,
        sample_id=f"{subject}/c/{safe_id(row['onset'])}",
        video_id=f"{subject}/c",
        media=(subject, "c"),
        notes=notes,
        flaws=tuple(flaws),
    )


def _file_number(cell: str, numbers: Sequence[int], first: int) -> int | None:
    """Return the number of the file at a position counted from `first`, None where there is none."""
    place = frame_number(cell)
    return numbers[place - first] if place is not None and 0 <= place - first < len(numbers) else None


_TREE = MediaTree(
    view="raw",
    folders=("part_C", "partC", "Part_C_split"),
    example="folders like part_C/spNO.4/color/",
    key_of=_key_of,
    bare=lambda folder: subject_of(folder.parts[0]) is not None,
    picture=Picture((1280, 720), 3),
    recordings=True,
    beside=("depth",),
)
DATABASE = Database(
    name="casme3c",
    fps=30.0,
    emotions=frozenset({"negative", "positive", "surprise", "others"}),
    trees=(_TREE,),
    tables=("CAS(ME)3_part_C_ME.xlsx",),
)
READER = TableReader(
    name="casme3c",
    options=Options,
    licence=Licence(owners.CASME, "casme.psych.ac.cn/casme/e4", "Li et al., IEEE TPAMI 45(3), 2023"),
    databases=(DATABASE,),
    columns={
        "subject": ("sub", "subject"),
        "count": ("count",),
        "onset": ("onset",),
        "offset": ("offset",),
        "aus": ("au", "aus", "actionunits"),
        "emotion": ("emotion", "estimatedemotion"),
    },
    optional=("count", "aus"),
    telling=("subject", "onset", "offset"),
    header="sub",
    sheets=("mockCrimeME",),
    rules=rules_without_apex,
    annotate=_annotations,
    scan_media=_scan,
)
