"""The data section: what is in each database, what the reader met, which clips were left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer.core.csvfile import read_csv
from mer.core.sample import Sample, read_index
from mer.report.clip_pictures import label_of
from mer.report.inputs import DatasetInputs
from mer.report.wording import counted

EXCLUSION_COLUMNS = ("sample_id", "subject", "stage", "reason")
PROBLEM_COLUMNS = ("rule", "severity", "file", "row", "message")


@dataclass(frozen=True)
class Dataset:
    """One dataset as indexed: rows, exclusions and problems; a list is None where its file is not there."""

    name: str
    inputs: DatasetInputs
    samples: Sequence[Sample]
    excluded: Sequence[Mapping[str, str]] | None
    problems: Sequence[Mapping[str, str]] | None

    @property
    def usable(self) -> list[Sample]:
        """The rows that were not excluded."""
        return [sample for sample in self.samples if sample.status == "ok"]

    @property
    def subjects(self) -> list[str]:
        """The people of the usable rows."""
        return sorted({sample.group for sample in self.usable})

    @property
    def classes(self) -> list[str]:
        """The emotions of the usable rows."""
        return sorted({_class(sample) for sample in self.usable})

    @property
    def class_rows(self) -> list[list[object]]:
        """Emotion as annotated, its class in the three-class view where any has one, clips and subjects."""
        people: dict[tuple[str, str], list[str]] = {}
        for sample in self.usable:
            people.setdefault((_class(sample), sample.emotion_3 or "–"), []).append(sample.group)
        return [
            [name, *([view] if self.has_view else []), len(groups), len(set(groups))]
            for (name, view), groups in sorted(people.items())
        ]

    @property
    def has_view(self) -> bool:
        """Whether any usable row has a class in the three-class view."""
        return any(sample.emotion_3 for sample in self.usable)

    @property
    def subject_rows(self) -> list[list[object]]:
        """Subject, clips, and clips of every emotion, '' where there is none."""
        counts = Counter((sample.group, _class(sample)) for sample in self.usable)
        clips = Counter(sample.group for sample in self.usable)
        return [[group, clips[group], *(counts[group, c] or "" for c in self.classes)] for group in self.subjects]

    @property
    def excluded_by_stage(self) -> str:
        """How many clips each stage left out, in words."""
        stages = Counter(row["stage"] for row in self.excluded or ())
        return ", ".join(f"{count} at {stage}" for stage, count in sorted(stages.items()))

    @property
    def problems_by_severity(self) -> str:
        """How many problems of each kind the reader met, in words."""
        kinds = Counter(row["severity"] for row in self.problems or ())
        return ", ".join(counted(count, kind) for kind, count in sorted(kinds.items()))

    @property
    def releases(self) -> str:
        """The releases that the rows were read from."""
        return "; ".join(sorted({sample.release for sample in self.samples if sample.release}) or ["not recorded"])

    @property
    def corrections(self) -> list[tuple[str, str]]:
        """(clip, correction of its annotation) of all that were applied."""
        return [(sample.sample_id, text) for sample in self.samples for text in sample.errata]


def load_dataset(name: str, inputs: DatasetInputs) -> Dataset:
    """Read a dataset's tables.

    Raises:
        DatasetError: the index is missing or unreadable.
        ModelError: a table that exists is not one that mer wrote.
    """
    excluded, problems = _read(inputs.excluded, EXCLUSION_COLUMNS), _read(inputs.problems, PROBLEM_COLUMNS)
    return Dataset(name, inputs, read_index(inputs.index), excluded, problems)


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, str]] | None:
    return read_csv(path, columns) if path.exists() else None


def _class(sample: Sample) -> str:
    return label_of(sample) or "no label"
