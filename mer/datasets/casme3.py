"""CAS(ME)^3 part A (Li et al., IEEE TPAMI 2023): 860 micro-expressions of 94 people, 30 fps, colour and depth.

Files: `cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx` (micro only, with emotions) or `CAS(ME)3_part_A_v2.xls` (micro and
macro, without), and either the whole recordings `spNO.1/a/color/355.jpg` or the cut clips
`Part_A_ME_clip/frame/spNO.1_a_355/355.jpg`. Frame numbers are the same in both. Recordings drop frames.
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
from mer.datasets.errata import Erratum, errata_of
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules
from mer.datasets.locate import find_table, media_base, require_clips, scan_clips
from mer.datasets.reading import Listing, Reading

NAME = "casme3a"
FPS = 30.0
EMOTIONS = frozenset({"disgust", "surprise", "others", "fear", "anger", "sadness", "happiness"})
TABLES = (
    "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    "cas(me)3_part_A_ME_label_JpgIndex_v1.xls",
    "CAS(ME)3_part_A_v2.xls",
    "CAS(ME)3_part_A_v1.xls",
)
SHEETS = ("label", "AU+Emotion")
FOLDERS = {"raw": ("part_A_split", "part_A"), "clip": ("Part_A_ME_clip",)}
COLUMNS = {
    "subject": ("subject",),
    "filename": ("filename",),
    "onset": ("onset",),
    "apex": ("apex",),
    "offset": ("offset",),
    "aus": ("au", "aus", "actionunits"),
    "objective": ("objectiveclass", "objectiveclasses"),
    "emotion": ("emotion", "estimatedemotion"),
    "type": ("expressiontype",),
}


class Options(Params):
    """Keys of this database in the configuration."""

    view: Literal["raw", "clip"] = Field("raw", description="whole recordings, or the released micro-expression clips")
    folder: str = Field("", description="folder of the images below the root; found by its released name when empty")
    table: str = Field(
        "", description="annotation table below the root; found by its released names when empty, v2 first"
    )
    types: Literal["micro", "macro", "both"] = Field(
        "micro", description="which expressions to keep; others are excluded"
    )
    may_miss: float = Field(0.5, ge=0, le=1, description="share of an interval's frames that may be missing on disk")
    apex_missing: ApexPolicy = Field("midpoint", description="what to do where no usable apex is annotated")
    apex_at_onset: ApexPolicy = Field("midpoint", description="what to do where the apex equals the onset")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the expressions of part A below `root`.

    Raises:
        DatasetError: the root, the annotation table or the image folders are missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, TABLES)
    table = tables.read_table(path, sheets=SHEETS)
    reading = samples_from(table.rows, scan(root, options), options, tables.release_of(path), errata)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`spNO.1`, `a`) or, for clips, (`spNO.1`, `a_355`) -> colour image paths relative to `root`."""
    base = media_base(root, NAME, options.folder, FOLDERS[options.view])
    listing = scan_clips(root, base, _video_key if options.view == "raw" else _clip_key)
    layout = "folders like spNO.1/a/color/" if options.view == "raw" else "folders like frame/spNO.1_a_355/"
    require_clips(root, NAME, listing, layout)
    return listing


def subject_of(text: str) -> str | None:
    """Return `spNO.1` for `spNO.1`, `spNo1` or `1`; None for other text."""
    match = re.fullmatch(r"(?:spno\.?)?\s*0*([0-9]{1,4})", text.strip().casefold(), re.ASCII)
    return f"spNO.{int(match[1])}" if match else None


def _video_key(folder: PurePosixPath) -> tuple[str, str] | None:
    if len(folder.parts) < 3 or folder.name.strip().casefold() not in ("color", "colour"):
        return None
    subject = subject_of(folder.parts[-3])
    return (subject, folder.parts[-2].strip().casefold()) if subject else None


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    match = re.fullmatch(r"(spno\.?[0-9]+)_([a-z])_([0-9]+)", folder.name.strip().casefold(), re.ASCII)
    if not match or "depth" in (part.casefold() for part in folder.parts):
        return None
    return subject_of(match[1]) or match[1], f"{match[2]}_{int(match[3])}"


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: keys as from `scan` -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: whether known faults of the release are corrected.
    """
    file = release.split(" sha256:")[0] or NAME
    rows = tables.aligned(table, COLUMNS, file, optional=("aus", "objective", "emotion", "type"))
    rows, text = tables.split_text_rows(rows, ("subject", "filename", "onset", "offset"))
    corrections = errata_of(NAME) if errata else {}
    annotations = [_annotation(row, listing, options, corrections) for row in rows]
    has_emotion = any(row["emotion"].strip() for row in rows)
    database = Database(
        NAME,
        NAME,
        FPS,
        "raw" if options.view == "raw" else "selected",
        EMOTIONS,
        ApexRules(options.apex_missing, options.apex_at_onset),
        longest=2.0,
        may_miss=options.may_miss,
        blank_emotion=not has_emotion,
        alternatives=options.alternatives,
    )
    return assemble(database, annotations, listing, release, corrections).ignored(text)


def _annotation(
    row: tables.Row, listing: Listing, options: Options, corrections: Mapping[str, tuple[Erratum, ...]]
) -> Annotation:
    subject, letter = subject_of(row["subject"]), row["filename"].strip().casefold()
    flaws = []
    if subject is None or not re.fullmatch(r"[a-z]", letter):
        flaws.append(("V13", f"Subject {row['subject']!r}, Filename {row['filename']!r}: not like spNO.1 and a letter"))
    kind = row["type"].strip().casefold() or "micro"
    kind = next((name for name in ("micro", "macro") if name in kind), kind)
    if kind not in ("micro", "macro"):
        flaws.append(("V05", f"type {row['type']!r} is neither macro- nor micro-expression"))
    subject = subject or safe_id(row["subject"])
    video, onset = f"{subject}/{safe_id(letter)}", row["onset"].strip()
    key = f"{video}/{safe_id(onset)}"
    media = (subject, letter)
    if options.view == "clip":
        media = (subject, f"{letter}_{onset}")
        fixed = next((e.new for e in corrections.get(key, ()) if e.field == "onset" and e.old == onset), onset)
        if media not in listing:
            media = (subject, f"{letter}_{fixed}")
    return Annotation(
        row.number,
        subject,
        letter,
        onset=row["onset"],
        apex=row["apex"],
        offset=row["offset"],
        emotion=row["emotion"],
        objective=row["objective"],
        aus=row["aus"],
        expression_type=kind if kind in ("micro", "macro") else "clip",
        sample_id=f"{key}-macro" if kind == "macro" else key,
        errata_key=key,
        video_id=video,
        media=media,
        flaws=tuple(flaws),
        left_out="" if options.types in ("both", kind) else f"{kind}-expressions are left out by the option `types`",
    )
