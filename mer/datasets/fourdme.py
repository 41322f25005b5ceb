"""4DME (Li et al., IEEE TAFFC 2022): 267 micro-expressions, grey video at 60 fps. Experimental: public code's layout.

Files: `4DME_Labelling_Micro_release v1.xlsx` and `gray_micro/<sub_ID>/<fold_name>/….jpg` (or another tree named in
`folder`). Emotions may be several (`Surprise+Positive`); a row with one takes part in the class schemes, others do not.
`(k)` marks held action units. Headers and codes may end in an apostrophe, the last row is a total.
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
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules
from mer.datasets.labels import normalise_emotion
from mer.datasets.locate import find_table, media_base, require_clips, scan_clips
from mer.datasets.reading import Listing, Reading

NAME = "fourdme"
FPS = 60.0
EMOTIONS = frozenset({"positive", "negative", "surprise", "repression", "others"})
COLUMNS = {
    "subject": ("subid",),
    "filename": ("foldname",),
    "onset": ("onset",),
    "apex": ("apex",),
    "offset": ("offset",),
    "aus": ("aus", "au"),
    "emotion": ("emotion",),
}


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the clips below the root; `gray_micro` when empty")
    table: str = Field("", description="annotation table below the root; found by its released name when empty")
    apex_missing: ApexPolicy = Field("midpoint", description="what to do where no usable apex is annotated")
    apex_at_onset: ApexPolicy = Field("midpoint", description="what to do where the apex equals the onset")
    alternatives: AlternativesKey = "all"


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the micro-expressions below `root`; `errata` has no effect, known faults are listed by row number only.

    Raises:
        DatasetError: the root, the annotation table or the clip folders are missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, ("4DME_Labelling_Micro_release v1.xlsx",))
    table = tables.read_table(path, header="subid")
    reading = samples_from(table.rows, scan(root, options), options, tables.release_of(path), errata)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (sub_ID, fold_name) -> image paths relative to `root`."""
    names = ("gray_micro", "gray_micro_crop", "micro_short_gray_video_cropped")
    base = media_base(root, NAME, options.folder, names)

    def key_of(folder: PurePosixPath) -> tuple[str, str] | None:
        return (_code(folder.parent.name), _code(folder.name)) if len(folder.parts) > 1 else None

    listing = scan_clips(root, base, key_of)
    require_clips(root, NAME, listing, "folders like gray_micro/<sub_ID>/<fold_name>/")
    return listing


def _code(text: str) -> str:
    return text.strip().strip("'’").strip()


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
        listing: (sub_ID, fold_name) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: without effect, known faults are listed by row number only.
    """
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME)
    rows, text = tables.split_text_rows(rows, ("subject", "filename", "onset", "offset"))
    annotations = [_annotation(row) for row in rows]
    several = {annotation.emotion for annotation in annotations if "+" in annotation.emotion}
    emotions = EMOTIONS | {e for e in map(normalise_emotion, several) if set(re.split(r"\s*\+\s*", e)) <= EMOTIONS}
    rules = ApexRules(options.apex_missing, options.apex_at_onset)
    database = Database(NAME, NAME, FPS, "raw", emotions, rules, alternatives=options.alternatives)
    return assemble(database, annotations, listing, release).ignored(text)


def _annotation(row: tables.Row) -> Annotation:
    subject, fold = _code(row["subject"]), _code(row["filename"])
    blank = [name for name, value in (("sub_ID", subject), ("fold_name", fold)) if not value]
    return Annotation(
        row.number,
        safe_id(subject),
        fold,
        onset=row["onset"],
        apex=row["apex"],
        offset=row["offset"],
        emotion=row["emotion"],
        aus=row["aus"],
        sample_id=f"{safe_id(subject)}/{safe_id(fold)}",
        media=(subject, fold),
        flaws=tuple(("V13", f"{name} is blank") for name in blank),
    )
