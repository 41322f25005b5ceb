"""CASME II (Yan et al., PLoS ONE 2014): 255 clips of 26 people, 200 fps.

Files: `CASME2-coding-20190701.xlsx` or `-20140508.xlsx`, optionally `CASME2-ObjectiveClasses.xlsx`, and one of
the image trees CASME2-RAW (whole recordings), CASME2_RAW_selected (onset to offset) or Cropped (faces), each
`sub01/EP02_01f/…46.jpg`. File names repeat across subjects, so the key is (Subject, Filename). The 2014 and 2019
tables differ in three emotions and 53 AU cells; the row's `release` says which one was read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.params import Params
from mer.datasets import files, tables
from mer.datasets.alternatives import AlternativesKey
from mer.datasets.annotations import Annotation, Database, assemble, safe_id
from mer.datasets.errata import errata_of
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules
from mer.datasets.locate import find_media, find_table, scan_clips
from mer.datasets.reading import Listing, Reading

NAME = "casme2"
FPS = 200.0
EMOTIONS = frozenset({"disgust", "fear", "happiness", "others", "repression", "sadness", "surprise"})
TABLES = ("CASME2-coding-20190701.xlsx", "CASME2-coding-20140508.xlsx")
OBJECTIVE = ("CASME2-ObjectiveClasses.xlsx",)
FOLDERS = {
    "raw": ("CASME2-RAW", "CASME2_RAW"),
    "selected": ("CASME2_RAW_selected", "CASME2-RAW-selected", "RAW_selected"),
    "cropped": ("Cropped", "Cropped-updated", "CASME2_Cropped"),
}
COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onset",),
    "apex": ("apex",),
    "offset": ("offset",),
    "aus": ("actionunits", "actionunit", "aus"),
    "emotion": ("estimatedemotion", "emotion"),
}
OBJECTIVE_COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "objective": ("objectiveclass", "objectiveclasses"),
}


class Options(Params):
    """Keys of this database in the configuration."""

    view: Literal["raw", "selected", "cropped"] = Field(
        "selected", description="which of the released image trees to read"
    )
    table: str = Field(
        "", description="annotation table below the root; found by its released names when empty, 2019 first"
    )
    apex_missing: ApexPolicy = Field("midpoint", description="what to do where no usable apex is annotated")
    apex_at_onset: ApexPolicy = Field("midpoint", description="what to do where the apex equals the onset")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the rows of the database below `root`.

    Raises:
        DatasetError: the root, the annotation table or the image folder of the view is missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, TABLES)
    table = tables.read_table(path)
    listing = scan(root, options)
    objective = files.find_file(root, OBJECTIVE)
    classes = tables.read_table(objective).rows if objective else ()
    reading = samples_from(table.rows, listing, options, tables.release_of(path), errata, classes)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (subject, clip) -> image paths relative to `root` in the folder of the chosen view."""
    base = find_media(
        root, NAME, FOLDERS[options.view], "set view to " + ", ".join(v for v in FOLDERS if v != options.view)
    )
    return scan_clips(root, base, _clip_key)


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    subject = subject_of(folder.parent.name)
    return (subject, folder.name.strip()) if subject else None


def subject_of(text: str) -> str | None:
    """Return `sub01` for `1`, `01`, `sub1` or `Sub01`; None for other text."""
    match = re.fullmatch(r"(?:sub(?:ject)?)?[\s_.\-]*([0-9]{1,3})(?:\.0)?", text.strip().casefold(), re.ASCII)
    return f"sub{int(match[1]):02d}" if match else None


def samples_from(
    table: Sequence[Mapping[str, str]],
    listing: Listing,
    options: Options,
    release: str,
    errata: bool = True,
    objective: Sequence[Mapping[str, str]] = (),
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: (`sub01`, clip) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: whether known faults of the release are corrected.
        objective: rows of the objective-class table, if there is one.
    """
    classes = {}
    for row in tables.aligned(objective, OBJECTIVE_COLUMNS, OBJECTIVE[0]):
        classes[subject_of(row["subject"]), row["filename"].strip().casefold()] = row["objective"]
    annotations = []
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME)
    rows, text = tables.split_text_rows(rows, ("subject", "filename", "onset", "offset"))
    for row in rows:
        subject, clip = subject_of(row["subject"]), row["filename"].strip()
        annotations.append(_annotation(row, subject, clip, classes.get((subject, clip.casefold()), "")))
    rules = ApexRules(options.apex_missing, options.apex_at_onset)
    database = Database(NAME, NAME, FPS, options.view, EMOTIONS, rules, alternatives=options.alternatives)
    corrections = errata_of(NAME, options.view) if errata else None
    return assemble(database, annotations, listing, release, corrections).ignored(text)


def _annotation(row: tables.Row, subject: str | None, clip: str, objective: str) -> Annotation:
    flaws = []
    if subject is None:
        flaws.append(("V13", f"Subject {row['subject']!r} is not a subject number"))
    if not clip:
        flaws.append(("V13", "Filename is blank"))
    return Annotation(
        row.number,
        subject or safe_id(row["subject"]),
        clip,
        onset=row["onset"],
        apex=row["apex"],
        offset=row["offset"],
        emotion=row["emotion"],
        objective=objective,
        aus=row["aus"],
        sample_id=f"{subject or safe_id(row['subject'])}/{safe_id(clip)}",
        flaws=tuple(flaws),
    )
