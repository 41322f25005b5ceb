"""The data section: what is in each database, what the reader met, which clips were left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer.core.csvfile import read_csv
from mer.core.sample import Sample, read_index
from mer.report.inputs import DatasetInputs
from mer.report.markup import Markup, counted, folded, join, missing, table, tag
from mer.report.pictures import label_of

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


def load_dataset(name: str, inputs: DatasetInputs) -> Dataset:
    """Read a dataset's tables.

    Raises:
        DatasetError: the index is missing or unreadable.
        ModelError: a table that exists is not one that mer wrote.
    """
    return Dataset(
        name,
        inputs,
        read_index(inputs.index),
        _read(inputs.excluded, EXCLUSION_COLUMNS),
        _read(inputs.problems, PROBLEM_COLUMNS),
    )


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, str]] | None:
    return read_csv(path, columns) if path.exists() else None


def dataset_block(dataset: Dataset) -> Markup:
    """Return the section of one dataset."""
    used = [sample for sample in dataset.samples if sample.status == "ok"]
    people = len({sample.group for sample in used})
    lead = (
        f"{counted(len(dataset.samples), 'annotated expression')}, {len(used)} usable, of {counted(people, 'subject')}."
    )
    return join([
        tag("h3", dataset.name),
        tag("p", lead),
        class_counts(used) if used else None,
        folded("Clips per subject and class", subject_counts(used)) if used else None,
        _excluded(dataset.excluded),
        _problems(dataset.problems),
    ])  # fmt: skip


def _class(sample: Sample) -> str:
    return label_of(sample) or "no label"


def class_counts(samples: Sequence[Sample]) -> Markup:
    """Return clips and subjects per emotion as annotated, with the class in the three-class view."""
    counts = Counter((_class(s), s.emotion_3 or "–") for s in samples)
    people = {key: len({s.group for s in samples if (_class(s), s.emotion_3 or "–") == key}) for key in counts}
    rows = [[name, view, str(counts[name, view]), str(people[name, view])] for name, view in sorted(counts)]
    return table(["emotion", "three-class view", "clips", "subjects"], rows, numbers=(2, 3))


def subject_counts(samples: Sequence[Sample]) -> Markup:
    """Return clips of every subject per emotion."""
    classes = sorted({_class(s) for s in samples})
    counts = Counter((s.group, _class(s)) for s in samples)
    rows = []
    for group in sorted({s.group for s in samples}):
        own = [counts[group, name] for name in classes]
        rows.append([group, str(sum(own)), *(str(n) if n else "" for n in own)])
    return table(["subject", "clips", *classes], rows, numbers=range(1, len(classes) + 2))


def _excluded(rows: Sequence[Mapping[str, str]] | None) -> Markup:
    if rows is None:
        return missing("The list of excluded clips is not there: run the exclusions step.")
    if not rows:
        return tag("p", "No clip was excluded.")
    stages = Counter(row["stage"] for row in rows)
    where = ", ".join(f"{n} at {stage}" for stage, n in sorted(stages.items()))
    body = table(["clip", *EXCLUSION_COLUMNS[1:]], [[row[name] for name in EXCLUSION_COLUMNS] for row in rows])
    return folded(f"{counted(len(rows), 'clip')} excluded: {where}", body, open_=len(rows) <= 12)


def _problems(rows: Sequence[Mapping[str, str]] | None) -> Markup:
    if rows is None:
        return missing("The reader's list of problems is not there: run the index step.")
    if not rows:
        return tag("p", "The reader met no problem.")
    kinds = Counter(row["severity"] for row in rows)
    head = ", ".join(counted(n, kind) for kind, n in sorted(kinds.items()))
    body = table(
        ["rule", "severity", "file", "row", "message"],
        [[r[name] for name in PROBLEM_COLUMNS] for r in rows],
        numbers=(3,),
    )
    return folded(f"{counted(len(rows), 'problem')} met by the reader: {head}", body, open_=len(rows) <= 12)
