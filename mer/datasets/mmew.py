"""MMEW (Ben et al., IEEE TPAMI 2021): 300 micro-expressions of 30 people, 90 fps, face crops.

Files: `MMEW_Micro_Exp.xlsx` and `Micro_Expression/<emotion>/S03-01-002/1.jpg` (or `S03/happiness/S03-01-002/1.jpg`).
The folder of the label `others` is called `repression`, so clips are found by name, never by folder. The middle figure
of a name is the emotion code and must agree with the table.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pydantic import Field

from mer.core.filenames import file_numbers
from mer.core.params import Params
from mer.datasets.annotations import Annotation, safe_id
from mer.datasets.contract import Database, Licence, MediaTree, Picture
from mer.datasets.errata import Errata, Erratum, errata_of
from mer.datasets.intervals import frame_number
from mer.datasets.labels import normalise_emotion
from mer.datasets.options import AlternativesKey, ApexAtOnsetKey, ApexMissingKey, RenumberedKey, TablesKey
from mer.datasets.reading import Listing, Reading
from mer.datasets.table_reader import AUS, EMOTION, EVENT_COLUMNS, Given, TableReader, each
from mer.datasets.tables import Row

CODES = {1: "happiness", 2: "surprise", 3: "disgust", 4: "others", 5: "fear", 6: "sadness", 7: "anger"}


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field("", description="folder of the clips below the root; `Micro_Expression` when empty")
    table: TablesKey = ""
    apex_missing: ApexMissingKey = "midpoint"
    apex_at_onset: ApexAtOnsetKey = "midpoint"
    renumbered: RenumberedKey = None
    alternatives: AlternativesKey = "all"


def clip_parts(text: str) -> tuple[str, str, int] | None:
    """Return (subject, clip, emotion code) of `S03-01-002`, None for other text."""
    match = re.fullmatch(r"s([0-9]{1,3})-([0-9]{1,2})-([0-9]{1,4})", text.strip().casefold(), re.ASCII)
    if not match:
        return None
    subject, code = f"S{int(match[1]):02d}", int(match[2])
    return subject, f"{subject}-{code:02d}-{int(match[3]):03d}", code


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    parts = clip_parts(folder.name)
    return parts[:2] if parts else None


def _below_emotion(folder: PurePosixPath) -> bool:
    """Tell whether a clip lies in `happiness/S03-01-002` or `S03/happiness/S03-01-002`."""
    *above, emotion = [normalise_emotion(part) for part in folder.parts[-3:-1]] or [""]
    known = emotion in CODES.values() or emotion == "repression"
    return known and len(folder.parts) == len(above) + 2 and all(re.fullmatch("s[0-9]+", part) for part in above)


def _annotation(row: Row, given: Given[Options]) -> Annotation:
    parts = clip_parts(row["filename"])
    number = re.fullmatch(r"\s*S?0*([0-9]{1,3})\s*", row["subject"], re.ASCII | re.IGNORECASE)
    flaws = []
    if parts is None or number is None or parts[0] != f"S{int(number[1]):02d}":
        flaws.append(("V13", f"Subject {row['subject']!r} but Filename {row['filename']!r}"))
    elif CODES.get(parts[2]) != normalise_emotion(row["emotion"]):
        named = CODES.get(parts[2], "no emotion")
        flaws.append(("V13", f"emotion {row['emotion']!r} but code {parts[2]:02d} of the name means {named}"))
    subject, clip = parts[:2] if parts else (row["subject"], safe_id(row["filename"]))
    return Annotation.of(row, subject, clip, errata_key=clip, flaws=tuple(flaws))


def _fitting(listing: Listing, database: str, view: str) -> Errata:
    """Return the corrections whose frames the folder on disk really holds."""
    known, fitting = errata_of(database), list[Erratum]()
    for (_, clip), paths in listing.items():
        # The table counts from 1; so does the place of an image in its folder, whatever it was renumbered to.
        numbers, errata = file_numbers(paths), known.get(clip, ())
        last = max(numbers) - min(numbers) + 1 if numbers else 0
        if all(last >= (frame_number(erratum.new) or 0) for erratum in errata):
            fitting += errata
    return Errata(fitting)


def _note_longer_folders(reading: Reading, options: Options) -> None:
    for sample in reading.samples:
        if sample.status == "ok" and sample.offset is not None and (sample.last_file or 0) > sample.offset:
            message = f"table ends at {sample.offset}, folder has {sample.n_files} files; using the table"
            reading.note("V11", "warning", message, None, sample.sample_id)


_TREE = MediaTree(
    view="cropped",
    folders=("Micro_Expression",),
    example="folders like Micro_Expression/happiness/S03-01-002/",
    key_of=_clip_key,
    bare=_below_emotion,
    picture=Picture((231, 231), 3),
    first=1,
)
DATABASE = Database(
    name="mmew",
    fps=90.0,
    emotions=frozenset(CODES.values()),
    trees=(_TREE,),
    tables=("MMEW_Micro_Exp.xlsx", "MMEW_Micro_Exp(20).xlsx", "MMEW_Micro_Exp_v2.xlsx"),
)
READER = TableReader(
    name="mmew",
    options=Options,
    licence=Licence("the MMEW agreement", "dpailab.com", "Ben et al., IEEE TPAMI 2021 (10.1109/TPAMI.2021.3067464)"),
    databases=(DATABASE,),
    columns={**EVENT_COLUMNS, "aus": AUS, "emotion": EMOTION},
    annotate=each(_annotation),
    corrections=_fitting,
    finish=_note_longer_folders,
)
