"""CASME (Yan et al., FG 2013): 189 clips, 60 fps. Experimental: layout from public code.

Files: the coding table (columns Subject, Filename, OnsetF, ApexF1, ApexF2, OffsetF, action units, emotion) and cropped
faces `sub01/EP01_5/reg_EP01_5-12.jpg`. The first apex column counts. Corrections that are known by row number only are
not applied; rows that contradict the frames on disk are excluded with the reason instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pydantic import Field

from mer.core.params import Params
from mer.datasets import files, tables
from mer.datasets.alternatives import AlternativesKey
from mer.datasets.annotations import Annotation, Database, assemble, safe_id
from mer.datasets.casme2 import subject_of
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules
from mer.datasets.locate import find_table, media_base, require_clips, scan_clips
from mer.datasets.reading import Listing, Reading

NAME = "casme"
FPS = 60.0
EMOTIONS = frozenset(
    {"happiness", "sadness", "disgust", "surprise", "contempt", "fear", "repression", "tense", "others", "anger"}
)
TABLES = ("Coding Final.xls", "CASME coding final.xls", "CASME.xls")
COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onsetf", "onset"),
    "apex": ("apexf1", "apexf", "apex"),
    "offset": ("offsetf", "offset"),
    "aus": ("aus", "au", "actionunits"),
    "emotion": ("emotion", "estimatedemotion"),
}


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the clips below the root; the root itself when empty")
    table: str = Field("", description="annotation table below the root; found by its usual names when empty")
    apex_missing: ApexPolicy = Field("midpoint", description="what to do where no usable apex is annotated")
    apex_at_onset: ApexPolicy = Field("midpoint", description="what to do where the apex equals the onset")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the rows of the database below `root`; `errata` has no effect, known faults are listed by row number only.

    Raises:
        DatasetError: the root, the annotation table or the clip folders are missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, TABLES)
    table = tables.read_table(path)
    reading = samples_from(table.rows, scan(root, options), options, tables.release_of(path), errata)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`sub01`, clip) -> image paths relative to `root`."""

    def key_of(folder: PurePosixPath) -> tuple[str, str] | None:
        subject = subject_of(folder.parent.name) if folder.parent.name.casefold().startswith("sub") else None
        return (subject, folder.name.strip()) if subject else None

    listing = scan_clips(root, media_base(root, NAME, options.folder, ("CASME", "Cropped")), key_of)
    require_clips(root, NAME, listing, "folders like sub01/EP01_5/")
    return listing


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: (`sub01`, clip) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: without effect, known faults are listed by row number only.
    """
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME)
    rows, text = tables.split_text_rows(rows, ("subject", "filename", "onset", "offset"))
    rules = ApexRules(options.apex_missing, options.apex_at_onset)
    database = Database(NAME, NAME, FPS, "cropped", EMOTIONS, rules, alternatives=options.alternatives)
    return assemble(database, [_annotation(row) for row in rows], listing, release).ignored(text)


def _annotation(row: tables.Row) -> Annotation:
    subject, clip = subject_of(row["subject"]), row["filename"].strip()
    flaws = [("V13", f"Subject {row['subject']!r} is not a subject number")] if subject is None else []
    flaws += [("V13", "Filename is blank")] if not clip else []
    subject = subject or safe_id(row["subject"])
    return Annotation(
        row.number,
        subject,
        clip,
        onset=row["onset"],
        apex=row["apex"],
        offset=row["offset"],
        emotion=row["emotion"],
        aus=row["aus"],
        sample_id=f"{subject}/{safe_id(clip)}",
        flaws=tuple(flaws),
    )
