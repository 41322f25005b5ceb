"""SAMM (Davison et al., IEEE TAFFC 2018): 159 clips of 29 people, 200 fps, grey.

Files: `SAMM_Micro_FACS_Codes_v2.xlsx` (13 preamble rows, or none) and `SAMM/006/006_1_2/006_05562.jpg`, onset to
offset only; the padding of frame numbers varies by clip. The alternatives of five AU cells can be resolved as in CD6ME.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pydantic import Field

from mer.core.params import Params
from mer.datasets import files, tables
from mer.datasets.alternatives import AlternativesKey
from mer.datasets.annotations import Annotation, Database, assemble, safe_id
from mer.datasets.errata import errata_of
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules, frame_number
from mer.datasets.locate import find_table, media_base, require_clips, scan_clips
from mer.datasets.reading import Listing, Reading

NAME = "samm"
FPS = 200.0
EMOTIONS = frozenset({"anger", "contempt", "disgust", "fear", "happiness", "others", "sadness", "surprise"})
TABLES = ("SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM_20181215_Micro_FACS_Codes_v2.xlsx")
COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onset",),
    "apex": ("apex",),
    "offset": ("offset",),
    "duration": ("duration",),
    "aus": ("actionunits", "actionunit", "aus"),
    "emotion": ("estimatedemotion", "emotion"),
    "objective": ("objectiveclasses", "objectiveclass"),
}


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the clips below the root; `SAMM` or the root itself when empty")
    table: str = Field("", description="annotation table below the root; found by its released names when empty")
    apex_missing: ApexPolicy = Field("midpoint", description="what to do where the apex is missing or out of range")
    apex_at_end: ApexPolicy = Field("midpoint", description="what to do where the apex equals the onset or the offset")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the rows of the database below `root`.

    Raises:
        DatasetError: the root, the annotation table or the clip folders are missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, TABLES)
    table = tables.read_table(path)
    listing = scan(root, options)
    reading = samples_from(table.rows, listing, options, tables.release_of(path), errata)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`006`, `006_1_2`) -> image paths relative to `root`."""
    listing = scan_clips(root, media_base(root, NAME, options.folder, ("SAMM",)), _clip_key)
    require_clips(root, NAME, listing, "folders like SAMM/006/006_1_2/")
    return listing


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    match = re.fullmatch(r"([0-9]{1,3})_[0-9]+_[0-9]+", folder.name.strip(), re.ASCII)
    return (f"{int(match[1]):03d}", folder.name.strip()) if match else None


def subject_of(text: str) -> str | None:
    """Return `006` for `6`, `06` or `006`; None for other text."""
    number = frame_number(text)
    return f"{number:03d}" if number is not None and 0 < number < 1000 else None


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: (`006`, `006_1_2`) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: whether known faults of the release are corrected.
    """
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME, optional=("duration", "objective"))
    rows, text = tables.split_text_rows(rows, ("subject", "filename", "onset", "offset"))
    annotations = [_annotation(row, listing, errata) for row in rows]
    apex = ApexRules(options.apex_missing, options.apex_at_end, options.apex_at_end, mend=True)
    database = Database(NAME, NAME, FPS, "raw", EMOTIONS, apex, alternatives=options.alternatives)
    corrections = errata_of(NAME) if errata else None
    return assemble(database, annotations, listing, release, corrections).ignored(text)


def _annotation(row: tables.Row, listing: Listing, errata: bool) -> Annotation:
    subject, clip = subject_of(row["subject"]), row["filename"].strip()
    flaws = []
    head = re.match(r"([0-9]+)_", clip, re.ASCII)
    if subject is None or not head or subject_of(head[1]) != subject:
        flaws.append(("V13", f"Subject {row['subject']!r} but Filename {clip!r}"))
    subject = subject or safe_id(row["subject"])
    offset, mended = _offset(row, listing.get((subject, clip), ()), clip) if errata else (row["offset"], ())
    return Annotation(
        row.number,
        subject,
        clip,
        onset=row["onset"],
        apex=row["apex"],
        offset=offset,
        emotion=row["emotion"],
        objective=row["objective"],
        aus=row["aus"],
        sample_id=f"{subject}/{safe_id(clip)}",
        errata_key=clip,
        flaws=tuple(flaws),
        mended=mended,
    )


def _offset(row: tables.Row, names: Sequence[str], clip: str) -> tuple[str, tuple[str, ...]]:
    """Return the offset, taken from onset + Duration - 1 where the table's disagrees with both that and the disk."""
    onset, offset, duration = (frame_number(row[name]) for name in ("onset", "offset", "duration"))
    if onset is None or offset is None or duration is None or duration < 2 or onset + duration - 1 == offset:
        return row["offset"], ()
    if any(e.field == "offset" and e.old == str(offset) for e in errata_of(NAME).get(clip, ())):
        return row["offset"], ()
    last = max((number for name in names if (number := files.number_of(name)) is not None), default=None)
    if last == offset:
        return row["offset"], ()
    fixed = onset + duration - 1
    return str(fixed), (f"{clip} offset {offset}->{fixed} (onset + Duration - 1)",)
