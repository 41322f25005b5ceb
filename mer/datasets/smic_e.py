"""SMIC-E (Li et al., IEEE TAFFC 2018): SMIC's expressions inside long clips; HS 100 fps, VIS and NIR 25 fps.

Files: `SMIC-HS-E_annotation.xlsx` and `s01/s1_ne_01/image559740.jpg` (`image 12.jpg` and bare numbers occur). A clip
may hold up to three expressions, one row each here. Annotated frames count from the column FirstF, which is the first
image on disk. There is no apex; the emotion is that of the clip's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.errors import DatasetError
from mer.core.params import Params
from mer.datasets import files, tables
from mer.datasets.annotations import Annotation, Database, assemble, safe_id
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules, frame_number
from mer.datasets.labels import normalise_emotion
from mer.datasets.locate import find_table, media_base, require_clips, scan_clips
from mer.datasets.reading import Listing, Reading
from mer.datasets.smic import EMOTIONS, FPS, clip_name

COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onsetf", "onset", "onset1f"),
    "offset": ("offsetf", "offset", "offset1f"),
    "onset2": ("onset2f", "onset2"),
    "offset2": ("offset2f", "offset2"),
    "onset3": ("onset3f", "onset3"),
    "offset3": ("offset3f", "offset3"),
    "first": ("firstf", "first"),
    "emotion": ("emotion",),
}
OPTIONAL = ("onset2", "offset2", "onset3", "offset3", "first", "emotion")
#: Where the columns stand when their headers say nothing; the VIS table has no third expression.
PLACES: dict[str, tuple[str, ...]] = {
    "hs": ("Subject", "Filename", "", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F", "", "FirstF"),
    "vis": ("Subject", "Filename", "", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "", "FirstF"),
}
PLACES["nir"] = PLACES["hs"]


class Options(Params):
    """Keys of this database in the configuration."""

    modality: Literal["hs", "vis", "nir"] = Field("hs", description="camera: high-speed, visual or near-infrared")
    folder: str = Field("", description="folder of the long clips below the root; `SMIC-HS-E` and the like when empty")
    table: str = Field("", description="annotation table below the root; found by its released names when empty")
    apex: ApexPolicy = Field("midpoint", description="what stands for the apex, which is not annotated")


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the expressions in the long clips of one camera; `errata` has no effect, none are known.

    Raises:
        DatasetError: the root, the annotation table or the clip folders are missing or unusable.
    """
    name, camera = f"smic_e_{options.modality}", options.modality.upper()
    root = files.checked_root(root, name)
    stems = (f"SMIC-{camera}-E_annotation", f"SMIC_{camera}_E_annotation", f"SMIC-{camera}-E_annotation_2019")
    path = find_table(root, name, options.table, [f"{stem}.xlsx" for stem in stems])
    rows, notes = table_rows(path, options.modality)
    reading = samples_from(rows, scan(root, options), options, tables.release_of(path), errata)
    for text in notes:
        reading.note("V03", "warning", text)
    note_differences(reading)
    return reading


def table_rows(path: Path, modality: str) -> tuple[list[tables.Row], list[str]]:
    """Return the rows of the annotation table with header texts that `samples_from` knows, and notes on its cells.

    Header texts vary between copies: where they do not name the columns, the released order of columns counts, and
    the note says so.

    Raises:
        DatasetError: neither headers nor rows like the released ones are there (V03).
    """
    book = tables.grids(path)
    for grid in book.sheets.values():
        for at, header in enumerate(grid[: tables.HEADER_ROWS]):
            texts = [_plain(text) for text in header]
            keys = {tables.column_key(text) for text in texts}
            if all(keys.intersection(COLUMNS[name]) for name in ("filename", "onset", "offset")):
                return _named_rows(grid, at + 1, texts), book.notes
    for name, grid in book.sheets.items():
        starts = [at for at, cells in enumerate(grid) if len(cells) > 4 and clip_name(cells[1])]
        if starts:
            rows = _named_rows(grid, starts[0], PLACES[modality])
            return rows, [
                *book.notes,
                f"sheet {name!r} has no headers like the released ones; columns read by position",
            ]
    listed = ", ".join(repr(name) for name in book.sheets)
    raise DatasetError(
        path,
        f"has sheets {listed}; neither headers Filename, OnsetF, OffsetF nor clip names in the second column",
        "the owner's table",
        "name the right file in `table` (V03)",
    )


def _plain(header: str) -> str:
    """Return a header text without the camera that the NIR and VIS tables append."""
    return re.sub(r"(?i)[\s_]*(nir|vis|hs)$", "", header.strip())


def _named_rows(grid: Sequence[Sequence[str]], start: int, names: Sequence[str]) -> list[tables.Row]:
    rows = []
    for number, cells in enumerate(grid[start:], start=start + 1):
        padded = [*cells, *[""] * len(names)]
        # The first of two columns with one header counts.
        named = {name: cell for name, cell in reversed(list(zip(names, padded, strict=False))) if name}
        if any(cell.strip() for cell in named.values()):
            rows.append(tables.Row(named, number))
    return rows


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`s03`, `s03_ne_02`) -> image paths relative to `root`."""
    name, camera = f"smic_e_{options.modality}", options.modality.upper()
    base = media_base(root, name, options.folder, (f"SMIC-{camera}-E", f"{camera}_long"))

    def key_of(folder: PurePosixPath) -> tuple[str, str] | None:
        clip = clip_name(folder.name)
        return clip[:2] if clip else None

    listing = scan_clips(root, base, key_of)
    require_clips(root, name, listing, f"folders like SMIC-{camera}-E/s01/s1_ne_01/")
    return listing


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return one row per annotated expression of a table held in memory; opens no file.

    Args:
        table: one mapping per clip, header text -> cell text, as in the owner's spreadsheet.
        listing: (`s03`, `s03_ne_02`) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: without effect, no fault is known.
    """
    name = f"smic_e_{options.modality}"
    plain = [
        tables.Row({_plain(name): cell for name, cell in row.items()}, tables.number_of(row, index))
        for index, row in enumerate(table)
    ]
    rows = tables.aligned(plain, COLUMNS, release.split(" sha256:")[0] or name, OPTIONAL)
    rows, text = tables.split_text_rows(rows, ("filename", "onset", "offset"))
    annotations = [annotation for row in rows for annotation in _annotations(row, listing)]
    rules = ApexRules(options.apex, annotated=False)
    emotions = frozenset(EMOTIONS.values())
    database = Database(name, "smic", FPS[options.modality], "long", emotions, rules)
    return assemble(database, annotations, listing, release).ignored(text)


def _annotations(row: tables.Row, listing: Listing) -> list[Annotation]:
    clip = clip_name(row["filename"])
    flaws = [] if clip else [("V13", f"Filename {row['filename']!r} is not like s1_ne_01")]
    subject, name, emotion = clip or (safe_id(row["subject"]), safe_id(row["filename"]), "")
    column = normalise_emotion(row["emotion"])
    notes: tuple[str, ...] = ()
    if clip and column and not emotion.startswith(column[:2]):
        notes = (f"the emotion column says {row['emotion']!r}; the name is followed",)
    base = _base(row, listing.get((subject, name), ()))
    found = []
    for turn, (onset, offset) in enumerate(
        (("onset", "offset"), ("onset2", "offset2"), ("onset3", "offset3")), start=1
    ):
        if turn > 1 and frame_number(row[onset]) in (None, 0):
            continue
        found.append(
            Annotation(
                row.number,
                subject,
                name,
                onset=row[onset],
                offset=row[offset],
                emotion=emotion,
                sample_id=f"{subject}/{name}" + (f"-{turn}" if turn > 1 else ""),
                video_id=f"{subject}/{name}",
                media=(subject, name),
                index_base=base,
                notes=notes,
                flaws=tuple(flaws),
            )
        )
    return found


def _base(row: tables.Row, names: Sequence[str]) -> int:
    """Return what is added to an annotated frame to get the number in the file name."""
    first = frame_number(row["first"])
    numbers = [number for name in names if (number := files.number_of(name)) is not None]
    return min(numbers) - first if numbers and first is not None else 0
