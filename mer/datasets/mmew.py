"""MMEW (Ben et al., IEEE TPAMI 2021): 300 micro-expressions of 30 people, 90 fps, face crops.

Files: `MMEW_Micro_Exp.xlsx` and `Micro_Expression/<emotion>/S03-01-002/1.jpg` (or `S03/happiness/S03-01-002/1.jpg`).
The folder of the label `others` is called `repression`, so clips are found by name, never by folder. The middle figure
of a name is the emotion code and must agree with the table.
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
from mer.datasets.errata import Erratum, errata_of
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules, frame_number
from mer.datasets.labels import normalise_emotion
from mer.datasets.locate import find_table, media_base, require_clips, scan_clips
from mer.datasets.reading import Listing, Reading

NAME = "mmew"
FPS = 90.0
CODES = {1: "happiness", 2: "surprise", 3: "disgust", 4: "others", 5: "fear", 6: "sadness", 7: "anger"}
TABLES = ("MMEW_Micro_Exp.xlsx", "MMEW_Micro_Exp(20).xlsx", "MMEW_Micro_Exp_v2.xlsx")
COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onset",),
    "apex": ("apex",),
    "offset": ("offset",),
    "aus": ("actionunits", "actionunit", "aus"),
    "emotion": ("estimatedemotion", "emotion"),
}


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the clips below the root; `Micro_Expression` when empty")
    table: str = Field("", description="annotation table below the root; found by its released names when empty")
    apex_missing: ApexPolicy = Field("midpoint", description="what to do where no usable apex is annotated")
    apex_at_onset: ApexPolicy = Field("midpoint", description="what to do where the apex equals the onset")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the micro-expressions below `root`.

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


def clip_parts(text: str) -> tuple[str, str, int] | None:
    """Return (subject, clip, emotion code) of `S03-01-002`, None for other text."""
    match = re.fullmatch(r"s([0-9]{1,3})-([0-9]{1,2})-([0-9]{1,4})", text.strip().casefold(), re.ASCII)
    if not match:
        return None
    return f"S{int(match[1]):02d}", f"S{int(match[1]):02d}-{int(match[2]):02d}-{int(match[3]):03d}", int(match[2])


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`S03`, `S03-01-002`) -> image paths relative to `root`."""
    base = media_base(root, NAME, options.folder, ("Micro_Expression",))

    def key_of(folder: PurePosixPath) -> tuple[str, str] | None:
        parts = clip_parts(folder.name)
        return parts[:2] if parts else None

    listing = scan_clips(root, base, key_of)
    require_clips(root, NAME, listing, "folders like Micro_Expression/happiness/S03-01-002/")
    return listing


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: (`S03`, `S03-01-002`) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: whether known faults are corrected, where the folder holds the frames that the correction names.
    """
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME)
    rows, text = tables.split_text_rows(rows, ("subject", "filename", "onset", "offset"))
    annotations = [_annotation(row) for row in rows]
    rules = ApexRules(options.apex_missing, options.apex_at_onset)
    emotions = frozenset(CODES.values())
    database = Database(NAME, NAME, FPS, "cropped", emotions, rules, alternatives=options.alternatives)
    corrections = _fitting(listing) if errata else None
    reading = assemble(database, annotations, listing, release, corrections).ignored(text)
    for sample in reading.samples:
        if sample.status == "ok" and sample.offset is not None and (sample.last_file or 0) > sample.offset:
            message = f"table ends at {sample.offset}, folder has {sample.n_files} files; using the table"
            reading.note("V11", "warning", message, None, sample.sample_id)
    return reading


def _annotation(row: tables.Row) -> Annotation:
    parts = clip_parts(row["filename"])
    number = re.fullmatch(r"\s*S?0*([0-9]{1,3})\s*", row["subject"], re.ASCII | re.IGNORECASE)
    flaws = []
    if parts is None or number is None or parts[0] != f"S{int(number[1]):02d}":
        flaws.append(("V13", f"Subject {row['subject']!r} but Filename {row['filename']!r}"))
    elif CODES.get(parts[2]) != normalise_emotion(row["emotion"]):
        named = CODES.get(parts[2], "no emotion")
        flaws.append(("V13", f"emotion {row['emotion']!r} but code {parts[2]:02d} of the name means {named}"))
    subject = parts[0] if parts else safe_id(row["subject"])
    clip = parts[1] if parts else safe_id(row["filename"])
    return Annotation(
        row.number,
        subject,
        clip,
        onset=row["onset"],
        apex=row["apex"],
        offset=row["offset"],
        emotion=row["emotion"],
        aus=row["aus"],
        errata_key=clip,
        flaws=tuple(flaws),
    )


def _fitting(listing: Listing) -> dict[str, tuple[Erratum, ...]]:
    """Return the corrections whose frames the folder on disk really holds."""
    known = errata_of(NAME)
    fitting = {}
    for (_, clip), paths in listing.items():
        if clip in known:
            last = max((files.number_of(path) or 0 for path in paths), default=0)
            if all(last >= (frame_number(erratum.new) or 0) for erratum in known[clip]):
                fitting[clip] = known[clip]
    return fitting
