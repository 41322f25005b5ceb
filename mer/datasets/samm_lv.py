"""SAMM Long Videos (Yap et al., FG 2020): 343 macro- and 159 micro-movements in 147 videos, 200 fps, grey.

Files: `SAMM_LongVideos_V2_Release.xlsx` (nine preamble rows) and `SAMM_longvideos/006_1/006_1_0001.jpg`. Frame numbers
are not those of SAMM; emotions come from SAMM's own table, joined by file name, where that lies below the root too.
The people are SAMM's, so both share their groups.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.params import Params
from mer.datasets import files, samm, tables
from mer.datasets.alternatives import AlternativesKey
from mer.datasets.annotations import Annotation, Database, assemble, safe_id
from mer.datasets.errata import errata_of
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules, frame_number
from mer.datasets.locate import find_table, media_base, require_clips, scan_clips
from mer.datasets.reading import Listing, Reading

NAME = "samm_lv"
FPS = 200.0
TABLES = ("SAMM_LongVideos_V3_Release.xlsx", "SAMM_LongVideos_V2_Release.xlsx", "SAMM_LongVideos_V1_Release.xlsx")
COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onset",),
    "apex": ("apex",),
    "offset": ("offset",),
    "type": ("type",),
    "aus": ("actionunits", "actionunit", "aus"),
}


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the videos below the root; `SAMM_longvideos` when empty")
    table: str = Field("", description="annotation table below the root; found by its released names when empty")
    types: Literal["micro", "macro", "both"] = Field("both", description="which movements to keep; others are excluded")
    unknown_onset: Literal["exclude", "keep"] = Field(
        "exclude", description="movements that began before the video (onset 0 or 1 in the table)"
    )
    apex_missing: ApexPolicy = Field("midpoint", description="what to do where no usable apex is annotated")
    apex_at_onset: ApexPolicy = Field("midpoint", description="what to do where the apex equals the onset")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the movements below `root`.

    Raises:
        DatasetError: the root, the annotation table or the video folders are missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, TABLES)
    table = tables.read_table(path, sheets=("FACS_Movement_Only",))
    emotions = files.find_file(root, samm.TABLES)
    labels = tables.read_table(emotions).rows if emotions else ()
    reading = samples_from(table.rows, scan(root, options), options, tables.release_of(path), errata, labels)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`006`, `006_1`) -> image paths relative to `root`."""
    base = media_base(root, NAME, options.folder, ("SAMM_longvideos", "SAMM_LongVideos"))
    listing = scan_clips(root, base, _video_key)
    require_clips(root, NAME, listing, "folders like SAMM_longvideos/006_1/")
    return listing


def _video_key(folder: PurePosixPath) -> tuple[str, str] | None:
    match = re.fullmatch(r"([0-9]{1,3})_[0-9]+", folder.name.strip(), re.ASCII)
    return (f"{int(match[1]):03d}", folder.name.strip()) if match else None


def whole_frame(text: str) -> str:
    """Return a frame cell rounded half up (`123.5` gives `124`): some cells were converted from times."""
    if re.fullmatch(r"\s*[+-]?[0-9]{1,9}\.[0-9]+\s*", text, re.ASCII):
        return str(math.floor(float(text) + 0.5))
    return text


def samples_from(
    table: Sequence[Mapping[str, str]],
    listing: Listing,
    options: Options,
    release: str,
    errata: bool = True,
    emotions: Sequence[Mapping[str, str]] = (),
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: (`006`, `006_1`) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: whether known faults of the release are corrected.
        emotions: rows of SAMM's own table, for the emotions of micro-movements.
    """
    labels = {
        row["filename"].strip(): row["emotion"]
        for row in tables.aligned(
            emotions, {"filename": ("filename",), "emotion": ("estimatedemotion",)}, samm.TABLES[0]
        )
    }
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME)
    rows, text = tables.split_text_rows(rows, ("subject", "filename", "onset", "offset"))
    annotations = [_annotation(row, options, labels) for row in rows]
    rules = ApexRules(options.apex_missing, options.apex_at_onset)
    database = Database(
        NAME, "samm", FPS, "long", samm.EMOTIONS, rules, blank_emotion=True, alternatives=options.alternatives
    )
    return assemble(database, annotations, listing, release, errata_of(NAME) if errata else None).ignored(text)


def _annotation(row: tables.Row, options: Options, labels: Mapping[str, str]) -> Annotation:
    subject, name = samm.subject_of(row["subject"]), row["filename"].strip()
    parts = name.split("_")
    kind = row["type"].strip().casefold()
    kind = next((k for k in ("micro", "macro") if kind.startswith(k)), "clip")
    flaws: list[tuple[str, str]] = []
    if subject is None or len(parts) != 3 or samm.subject_of(parts[0]) != subject:
        flaws.append(("V13", f"Subject {row['subject']!r} but Filename {name!r}"))
    if kind == "clip":
        flaws.append(("V05", f"type {row['type']!r} is neither Macro nor Micro"))
    onset = whole_frame(row["onset"])
    if options.unknown_onset == "exclude" and frame_number(onset) in (0, 1):
        flaws.append(("V07", f"onset {onset.strip()}: the movement began before the video"))
    subject = subject or safe_id(row["subject"])
    video = "_".join(parts[:2])
    return Annotation(
        row.number,
        subject,
        name,
        onset=onset,
        apex=whole_frame(row["apex"]),
        offset=whole_frame(row["offset"]),
        emotion=labels.get(name, "") if kind == "micro" else "",
        aus=row["aus"],
        expression_type=kind,
        # One file name stands for a macro- and a micro-movement.
        sample_id=f"{subject}/{safe_id(name)}-{kind}",
        video_id=f"{subject}/{safe_id(video)}",
        media=(subject, video),
        errata_key=name,
        flaws=tuple(flaws),
        left_out="" if options.types in ("both", kind) else f"{kind}-movements are left out by the option `types`",
    )
