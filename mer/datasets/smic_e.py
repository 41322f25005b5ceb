"""SMIC-E (Li et al., IEEE TAFFC 2018): SMIC's expressions inside long clips; HS 100 fps, VIS and NIR 25 fps.

Files: `SMIC-HS-E_annotation.xlsx` and `s01/s1_ne_01/image559740.jpg` (`image 12.jpg` and bare numbers occur). A clip
may hold up to three expressions, one row each here. Annotated frames count from the column FirstF, which is the first
image on disk. There is no apex; the emotion is that of the clip's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pydantic import Field

from mer.core.filenames import file_numbers
from mer.core.params import Params
from mer.datasets import owners, spreadsheets, tables
from mer.datasets.annotations import Annotation, safe_id
from mer.datasets.contract import Database, Licence, MediaTree
from mer.datasets.intervals import frame_number
from mer.datasets.labels import normalise_emotion
from mer.datasets.options import CameraKey, NoApexKey, TablesKey
from mer.datasets.reading import Reading
from mer.datasets.smic import EMOTIONS, FPS, PICTURES, clip_name
from mer.datasets.table_reader import Given, TableReader, rules_without_apex
from mer.datasets.tables import Row

_TEXTS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onsetf", "onset", "onset1f"),
    "offset": ("offsetf", "offset", "offset1f"),
    "onset2": ("onset2f", "onset2"),
    "offset2": ("offset2f", "offset2"),
    "onset3": ("onset3f", "onset3"),
    "offset3": ("offset3f", "offset3"),
    "first": ("firstf", "first"),
    "last": ("lastf", "last"),
    "emotion": ("emotion",),
}
#: The NIR and VIS tables append the camera to a header text.
COLUMNS = {
    name: tuple(text + camera for text in texts for camera in ("", "nir", "vis", "hs"))
    for name, texts in _TEXTS.items()
}
#: Where the columns stand when their headers say nothing; the VIS table has no third expression.
PLACES: dict[str, tuple[str, ...]] = {
    "hs": ("Subject", "Filename", "", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F", "", "FirstF"),
    "vis": ("Subject", "Filename", "", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "", "FirstF"),
}
PLACES["nir"] = PLACES["hs"]


class Options(Params):
    """Keys of this database in the configuration."""

    modality: CameraKey = "hs"
    folder: str = Field("", description="folder of the long clips below the root; `SMIC-HS-E` and the like when empty")
    table: TablesKey = ""
    apex: NoApexKey = "midpoint"


def table_rows(path: Path, options: Options) -> tuple[list[Row], list[str]]:
    """Return the rows of the annotation table with header texts that `samples_from` knows, and notes on its cells.

    Header texts vary between copies: where they do not name the columns, the released order of columns counts, and
    the note says so.

    Raises:
        DatasetError: neither headers nor rows like the released ones are there (V03).
    """
    book = spreadsheets.read(path)
    for grid in book.sheets.values():
        for at, header in enumerate(grid[: tables.HEADER_ROWS]):
            keys = {tables.column_key(text) for text in header}
            if all(keys.intersection(COLUMNS[name]) for name in ("filename", "onset", "offset")):
                return tables.rows_below(grid, at + 1, header), book.notes
    for name, grid in book.sheets.items():
        starts = [at for at, cells in enumerate(grid) if len(cells) > 4 and clip_name(cells[1])]
        if starts:
            note = f"sheet {name!r} has no headers like the released ones; columns read by position"
            return tables.rows_below(grid, starts[0], PLACES[options.modality]), [*book.notes, note]
    lacking = "neither headers Filename, OnsetF, OffsetF nor clip names in the second column"
    raise tables.no_table(path, book, lacking, "the owner's table", "name the right file in `table` (V03)")


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    clip = clip_name(folder.name)
    return clip[:2] if clip else None


def _annotations(rows: Sequence[Row], given: Given[Options]) -> list[Annotation]:
    return [annotation for row in rows for annotation in _expressions(row, given)]


def _expressions(row: Row, given: Given[Options]) -> list[Annotation]:
    """Return the one to three expressions of a clip."""
    clip = clip_name(row["filename"])
    flaws = () if clip else (("V13", f"Filename {row['filename']!r} is not like s1_ne_01"),)
    subject, name, emotion = clip or (safe_id(row["subject"]), safe_id(row["filename"]), "")
    column = normalise_emotion(row["emotion"])
    notes: tuple[str, ...] = ()
    if clip and column and not emotion.startswith(column[:2]):
        notes = (f"the emotion column says {row['emotion']!r}; the name is followed",)
    paths = given.listing.get((subject, name), ())
    base = _base(row, paths)
    if frame_number(row["first"]) is None:
        notes += (f"FirstF is {row['first']!r}: onset and offset are taken as numbers of files",)
    notes += _cut(row, paths)
    annotations = []
    for turn, number in enumerate(("", "2", "3"), start=1):
        if turn > 1 and frame_number(row[f"onset{number}"]) in (None, 0):
            continue
        expression = Annotation.of(
            row,
            subject,
            name,
            onset=row[f"onset{number}"],
            offset=row[f"offset{number}"],
            emotion=emotion,
            sample_id=f"{subject}/{name}" + (f"-{turn}" if turn > 1 else ""),
            video_id=f"{subject}/{name}",
            media=(subject, name),
            index_base=base,
            notes=notes,
            flaws=flaws,
        )
        annotations.append(expression)
    return annotations


_FEWER = "V10: images"


def _cut(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    """Return a note where the images are fewer than FirstF to LastF: if the first ones lack, all frames are off."""
    first, last, numbers = frame_number(row["first"]), frame_number(row["last"]), file_numbers(names)
    if first is None or last is None or not numbers or max(numbers) - min(numbers) >= last - first:
        return ()
    return (f"{_FEWER} {min(numbers)} to {max(numbers)} are fewer than FirstF {first} to LastF {last}",)


def _note_cut(reading: Reading, options: Options) -> None:
    for sample in reading.samples:
        for note in sample.notes:
            if note.startswith(_FEWER):
                reading.note("V10", "warning", note.removeprefix("V10: "), None, sample.sample_id)


def _base(row: Row, names: Sequence[str]) -> int:
    """Return what is added to an annotated frame to get the number in the file name."""
    first, numbers = frame_number(row["first"]), file_numbers(names)
    return min(numbers) - first if numbers and first is not None else 0


def _database(camera: str) -> Database:
    text = camera.upper()
    tree = MediaTree(
        view="long",
        folders=(f"SMIC-{text}-E", f"{text}_long"),
        example=f"folders like SMIC-{text}-E/s01/s1_ne_01/",
        key_of=_clip_key,
        picture=PICTURES[camera],
        recordings=True,
        beside=("nonmicro",),
    )
    stems = (f"SMIC-{text}-E_annotation", f"SMIC_{text}_E_annotation", f"SMIC-{text}-E_annotation_2019")
    return Database(
        name=f"smic_e_{camera}",
        family="smic",
        fps=FPS[camera],
        emotions=frozenset(EMOTIONS.values()),
        trees=(tree,),
        tables=tuple(f"{stem}.xlsx" for stem in stems),
        chosen_by={"modality": camera},
    )


READER = TableReader(
    name="smic_e",
    options=Options,
    licence=Licence(owners.SMIC, "oulu.fi/cmvs/node/41319", "Li et al., IEEE TAFFC 9(4), 2018"),
    databases=tuple(map(_database, FPS)),
    columns=COLUMNS,
    optional=("onset2", "offset2", "onset3", "offset3", "first", "last", "emotion"),
    telling=("filename", "onset", "offset"),
    rules=rules_without_apex,
    annotate=_annotations,
    read_table=table_rows,
    finish=_note_cut,
)
