"""SAMM (Davison et al., IEEE TAFFC 2018): 159 clips of 29 people, 200 fps, grey.

Files: `SAMM_Micro_FACS_Codes_v2.xlsx` (13 preamble rows, or none) and `SAMM/006/006_1_2/006_05562.jpg`, onset to
offset only; the padding of frame numbers varies by clip. The alternatives of five AU cells can be resolved as in CD6ME.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from pydantic import Field

from mer.core.filenames import file_numbers
from mer.core.params import Params
from mer.datasets import owners
from mer.datasets.annotations import Annotation, RowRules, safe_id
from mer.datasets.contract import Database, Licence, MediaTree, Picture
from mer.datasets.errata import errata_of
from mer.datasets.intervals import ApexPolicy, ApexRules, frame_number
from mer.datasets.options import AlternativesKey, RenumberedKey, TablesKey
from mer.datasets.table_reader import AUS, EMOTION, EVENT_COLUMNS, Given, TableReader, each
from mer.datasets.tables import Row


class Options(Params):
    """Keys of this database in the configuration."""

    folder: str = Field(
        "",
        description="folder of the clips below the root; `SAMM`, or the root itself, when empty",
    )
    table: TablesKey = ""
    apex_missing: ApexPolicy = Field("midpoint", description="what to do where the apex is missing or out of range")
    apex_at_end: ApexPolicy = Field("midpoint", description="what to do where the apex equals the onset or the offset")
    renumbered: RenumberedKey = None
    alternatives: AlternativesKey = "all"


def subject_of(text: str) -> str | None:
    """Return `006` for `6`, `06` or `006`; None for other text."""
    number = frame_number(text)
    return f"{number:03d}" if number is not None and 0 < number < 1000 else None


def _clip_key(folder: PurePosixPath) -> tuple[str, str] | None:
    match = re.fullmatch(r"([0-9]{1,3})_[0-9]+_[0-9]+", folder.name.strip(), re.ASCII)
    return (f"{int(match[1]):03d}", folder.name.strip()) if match else None


def _rules(options: Options, annotations: Sequence[Annotation]) -> RowRules:
    apex = ApexRules(options.apex_missing, options.apex_at_end, options.apex_at_end, mend=True)
    return RowRules(apex, alternatives=options.alternatives)


def _annotation(row: Row, given: Given[Options]) -> Annotation:
    subject, clip = subject_of(row["subject"]), row["filename"].strip()
    flaws = []
    head = re.match(r"([0-9]+)_", clip, re.ASCII)
    if subject is None or not head or subject_of(head[1]) != subject:
        flaws.append(("V13", f"Subject {row['subject']!r} but Filename {clip!r}"))
    subject = subject or safe_id(row["subject"])
    offset, mended = row["offset"], tuple[str, ...]()
    if given.errata:
        offset, mended = _offset(row, given.listing.get((subject, clip), ()), clip)
    return Annotation.of(row, subject, clip, offset=offset, errata_key=clip, flaws=tuple(flaws), mended=mended)


def _offset(row: Row, names: Sequence[str], clip: str) -> tuple[str, tuple[str, ...]]:
    """Return the offset, taken from onset + Duration - 1 where the table's disagrees with both that and the disk."""
    onset, offset, duration = (frame_number(row[name]) for name in ("onset", "offset", "duration"))
    if onset is None or offset is None or duration is None or duration < 2 or onset + duration - 1 == offset:
        return row["offset"], ()
    if any(e.field == "offset" and e.of(row["offset"]) for e in errata_of(DATABASE.name).get(clip, ())):
        return row["offset"], ()
    numbers = file_numbers(names)
    if numbers and (max(numbers) == offset or max(numbers) - min(numbers) == offset - onset):
        return row["offset"], ()
    fixed = onset + duration - 1
    return str(fixed), (f"{clip} offset {offset}->{fixed} (onset + Duration - 1)",)


DATABASE = Database(
    name="samm",
    fps=200.0,
    emotions=frozenset({"anger", "contempt", "disgust", "fear", "happiness", "others", "sadness", "surprise"}),
    trees=(
        MediaTree(
            view="raw",
            folders=("SAMM",),
            example="folders like SAMM/006/006_1_2/",
            key_of=_clip_key,
            bare=lambda folder: len(folder.parts) == 2 and subject_of(folder.parts[0]) is not None,
            picture=Picture((960, 650), 1),
        ),
    ),
    tables=("SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM_20181215_Micro_FACS_Codes_v2.xlsx"),
)
READER = TableReader(
    name="samm",
    options=Options,
    licence=Licence(owners.SAMM, "the paper's authors (M. H. Yap)", "Davison et al., IEEE TAFFC 9(1):116-129, 2018"),
    databases=(DATABASE,),
    columns={
        **EVENT_COLUMNS,
        "duration": ("duration",),
        "aus": AUS,
        "emotion": EMOTION,
        "objective": ("objectiveclasses", "objectiveclass"),
    },
    optional=("duration", "objective"),
    rules=_rules,
    annotate=each(_annotation),
)
