"""Real-life deception detection (Perez-Rosas et al., ICMI 2015): 121 trial clips, deceptive or truthful.

Files: `All_Gestures_Deceptive and Truthful.csv` (id, gestures, class) and `Clips/**/trial_lie_001.mp4`. There are no
official subject ids and speakers recur, so a `subjects.csv` (columns video, subject) of the user's own is required
unless `allow_speaker_leak` is set; only anonymous ids belong in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from mer.core.errors import DatasetError
from mer.core.filenames import is_video
from mer.core.params import Params
from mer.datasets.annotations import Annotation, RowRules, safe_id
from mer.datasets.contract import Database, Licence, MediaTree
from mer.datasets.intervals import ApexRules
from mer.datasets.table_reader import Given, SideTable, TableReader
from mer.datasets.tables import Row


class Options(Params):
    """Keys of this database in the configuration."""

    table: str = Field("", description="gesture csv below the root; found by its released name when empty")
    subjects: str = Field("subjects.csv", description="csv below the root with the columns video and subject")
    allow_speaker_leak: bool = Field(False, description="go on without subject ids: every clip is its own person")
    leave_out: tuple[str, ...] = Field((), description="clips to exclude, such as those without a usable face")


def _stem(text: str) -> str:
    text = text.strip().rpartition("/")[2]
    return (text.rpartition(".")[0] if is_video(text) else text).casefold()


def _rules(options: Options, annotations: Sequence[Annotation]) -> RowRules:
    return RowRules(ApexRules(annotated=False))


def _annotations(rows: Sequence[Row], given: Given[Options]) -> list[Annotation]:
    options, people = given.options, given.beside["people"]
    if not people and not options.allow_speaker_leak:
        fault = f"no {options.subjects}; clips share speakers, so a clip-wise split would leak"
        remedy = "write one or set allow_speaker_leak: true"
        raise DatasetError(DATABASE.name, fault, "a csv with the columns video and subject", remedy)
    speakers = {_stem(row["video"]): row["subject"].strip() for row in people}
    excluded = {_stem(name) for name in options.leave_out}
    annotations = []
    for row in rows:
        name = _stem(row["video"])
        subject = name if options.allow_speaker_leak and not speakers else speakers.get(name, "")
        annotation = Annotation.of(
            row,
            subject,
            name,
            emotion=row["label"],
            expression_type="clip",
            sample_id=safe_id(name),
            media=("", name),
            flaws=() if subject else (("V13", f"{name} has no subject in {options.subjects}"),),
            left_out="left out by the option `leave_out`" if name in excluded else "",
        )
        annotations.append(annotation)
    return annotations


DATABASE = Database(
    name="rld",
    emotions=frozenset({"deceptive", "truthful"}),
    trees=(MediaTree(view="raw", example="videos like Clips/Deceptive/trial_lie_001.mp4"),),
    tables=("All_Gestures_Deceptive and Truthful.csv",),
)
READER = TableReader(
    name="rld",
    options=Options,
    licence=Licence(
        "the terms of the LIT group, University of Michigan", "the paper's authors", "Perez-Rosas et al., ICMI 2015"
    ),
    databases=(DATABASE,),
    columns={"video": ("id",), "label": ("class",)},
    telling=("video", "label"),
    header="id",
    side_tables={"people": SideTable({"video": ("video",), "subject": ("subject",)}, option="subjects")},
    rules=_rules,
    annotate=_annotations,
)
