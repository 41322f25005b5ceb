"""CAS(ME)^2 (Qu et al., IEEE TAFFC 2018): 300 macro- and 57 micro-expressions of 22 people, 30 fps.

Files: `CAS(ME)^2code_final.xlsx` (sheet `CASFEcode_final`, no header) and one of rawpic (long videos,
`s15/15_0101…/img001.jpg`), selectedpic (`s15/anger1_1/img557.jpg`) or cropped (`15/anger1_1/img557.jpg`); frame
numbers are those of rawpic everywhere. Participant numbers and video names are coded: 1 is s15, `anger1` is film 0401.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.params import Params
from mer.datasets import files, owners, spreadsheets, tables
from mer.datasets.annotations import Annotation, left_out, safe_id
from mer.datasets.contract import COLOUR, VGA, Database, Licence, MediaTree
from mer.datasets.files import find_media, require_clips, scan_clips
from mer.datasets.intervals import frame_number
from mer.datasets.options import AlternativesKey, ApexAtOnsetKey, ApexMissingKey, RenumberedKey, TablesKey, TreeKey
from mer.datasets.reading import Reading
from mer.datasets.table_reader import Given, TableReader, each
from mer.datasets.tables import Row

SHEET = "CASFEcode_final"
COLUMNS = ("participant", "video", "onset", "apex", "offset", "aus", "emotion", "type", "self_report")
#: Participant of the coding table -> number of the folder.
PEOPLE = dict(enumerate((15, 16, *range(19, 28), *range(29, 39), 40), start=1))
#: Folders of rawpic without a row: two films without a label, and a misplaced copy (subject/film).
UNLABELLED = ("s15/0508", "s23/0503", "s19/23_0502")
FILMS = {
    "disgust1": "0101",
    "disgust2": "0102",
    "anger1": "0401",
    "anger2": "0402",
    "happy1": "0502",
    "happy2": "0503",
    "happy3": "0505",
    "happy4": "0507",
    "happy5": "0508",
}


class Options(Params):
    """Keys of this database in the configuration."""

    view: TreeKey = "selected"
    types: Literal["micro", "macro", "both"] = Field(
        "both", description="which expressions to keep; others are excluded"
    )
    table: TablesKey = ""
    apex_missing: ApexMissingKey = "midpoint"
    apex_at_onset: ApexAtOnsetKey = "midpoint"
    renumbered: RenumberedKey = None
    alternatives: AlternativesKey = "all"


def table_rows(path: Path, options: Options) -> tuple[list[Row], list[str]]:
    """Return the rows of the headerless sheet under the names of `COLUMNS`, and notes on its cells.

    Raises:
        DatasetError: no sheet has rows of nine cells that begin with a participant number (V03).
    """
    book = spreadsheets.read(path)
    grids = {name: tables.rows_below(grid, 0, COLUMNS) for name, grid in book.sheets.items()}
    fitting = [name for name, rows in grids.items() if any(map(_begins_table, rows[:3]))]
    name, notes = tables.chosen_sheet(path, book, fitting, (SHEET,))
    if name:
        return grids[name], [*book.notes, *notes]
    lacking, remedy = "none begins with rows of the coding table", "name the right file in `table` (V03)"
    raise tables.no_table(path, book, lacking, f"sheet {SHEET!r}", remedy)


def _begins_table(row: Row) -> bool:
    numbers = [frame_number(row[name]) for name in ("participant", "onset", "offset")]
    return bool(numbers[0]) and None not in numbers


def _scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return the clips of a tree; those that the cropped tree lacks are taken from selectedpic, where that is there."""
    tree = READER.tree(options)
    key_of = _video_key if options.view == "raw" else _clip_key
    listing = scan_clips(root, find_media(root, DATABASE.name, tree.folders, "set `view`"), key_of)
    require_clips(root, DATABASE.name, listing, "folders like s15/anger1_1/ or, for raw, s15/15_0401…/")
    spare = files.find_folder(root, _SELECTED.folders) if options.view == "cropped" else None
    return {**(scan_clips(root, spare, _clip_key) if spare else {}), **listing}


def _subject(text: str) -> str | None:
    match = re.fullmatch(r"s?([0-9]{1,2})", text.strip().casefold(), re.ASCII)
    return f"s{int(match[1])}" if match and int(match[1]) in PEOPLE.values() else None


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    """Return (`s15`, `anger1_1`)."""
    subject = _subject(folder.parent.name)
    return (subject, folder.name.strip()) if subject else None


def _video_key(folder: PurePosixPath) -> tuple[str, str] | None:
    """Return (`s15`, `0401`)."""
    subject = _subject(folder.parent.name)
    match = re.match(r"([0-9]{1,2})_([0-9]{4})", folder.name.strip(), re.ASCII)
    if not subject or not match:
        return None
    # One copy lies under the wrong person: the person in its name wins, as a folder that no row asks for.
    return (subject, match[2]) if _subject(match[1]) == subject else (subject, folder.name.strip())


def _annotation(row: Row, given: Given[Options]) -> Annotation:
    participant, video, options = frame_number(row["participant"]), row["video"].strip(), given.options
    flaws: list[tuple[str, str]] = []
    if participant not in PEOPLE:
        flaws.append(("V13", f"participant {row['participant']!r} is not 1 to 22"))
    film = FILMS.get(video.casefold().partition("_")[0])
    if film is None:
        flaws.append(("V13", f"video {video!r} is not one of {', '.join(FILMS)} with a running number"))
    kind = row["type"].strip().casefold().partition("-")[0]
    if kind not in ("micro", "macro"):
        flaws.append(("V05", f"type {row['type']!r} is neither macro- nor micro-expression"))
    subject = f"s{PEOPLE[participant]}" if participant in PEOPLE else safe_id(row["participant"])
    offset, mended = row["offset"], tuple[str, ...]()
    if given.errata and frame_number(offset) == 0 and (frame_number(row["apex"]) or 0) > 0:
        offset, mended = row["apex"], (f"p{participant} {video} offset 0->{row['apex'].strip()} (apex)",)
    told = row["self_report"].strip()
    return Annotation.of(
        row,
        subject,
        video,
        offset=offset,
        expression_type=kind if kind in ("micro", "macro") else "clip",
        video_id=f"{subject}/{film or safe_id(video)}",
        media=(subject, film or video) if options.view == "raw" else None,
        errata_key=f"p{participant} {video}",
        notes=(f"self-report: {told}",) if told else (),
        flaws=tuple(flaws),
        left_out=left_out(kind, options.types),
        mended=mended,
    )


def _finish(reading: Reading, options: Options) -> None:
    # A recording that lies under the wrong person is a copy of one that is counted already.
    reading.unannotated[:] = [row for row in reading.unannotated if re.fullmatch(r"[0-9]{4}", row[1])]
    if options.view == "cropped":
        _mark_spares(reading)


def _mark_spares(reading: Reading) -> None:
    for place, sample in enumerate(reading.samples):
        if any(files.folded(part) == "selectedpic" for part in PurePosixPath(sample.media_path).parts):
            message = "the cropped tree lacks this clip; using selectedpic"
            reading.note("V09", "warning", message, None, sample.sample_id)
            notes = (*sample.notes, f"V09: {message}")
            reading.samples[place] = dataclasses.replace(sample, view="selected", notes=notes)


_RAW = MediaTree(view="raw", folders=("rawpic",), picture=VGA, recordings=True, first=1)
_SELECTED = MediaTree(view="selected", folders=("selectedpic",), picture=VGA)
_CROPPED = MediaTree(view="cropped", folders=("cropped",), picture=COLOUR)
DATABASE = Database(
    name="casme_sq",
    fps=30.0,
    emotions=frozenset({"negative", "positive", "surprise", "others"}),
    trees=(_RAW, _SELECTED, _CROPPED),
    tables=("CAS(ME)^2code_final.xlsx", "code_final.xlsx", "CAS(ME)^2code_final(Updated).xlsx", "CAS(ME)^2.xlsx"),
    unlabelled=UNLABELLED,
)
READER = TableReader(
    name="casme_sq",
    options=Options,
    licence=Licence(owners.CASME, "casme.psych.ac.cn/casme/e3", "Qu et al., IEEE TAFFC 9(4), 2018"),
    databases=(DATABASE,),
    columns={name: (tables.column_key(name),) for name in COLUMNS},
    telling=("participant", "video", "onset", "offset"),
    annotate=each(_annotation),
    read_table=table_rows,
    scan_media=_scan,
    finish=_finish,
)
