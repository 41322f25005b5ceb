"""The index of a database as files: its canonical rows, and the problems met while reading them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mer.core.csvfile import write_csv
from mer.core.errors import DatasetError
from mer.core.sample import Sample, media_row, write_index
from mer.datasets.reading import Reading

PROBLEM_FIELDS = ("rule", "severity", "file", "row", "sample_id", "message")


def write_reading(reading: Reading, index: Path, problems: Path, planned: Sequence[Sample] | None = None) -> str:
    """Write `index.csv` and `problems.csv`; return a one-line summary.

    Args:
        reading: what the reader found on disk.
        index: path of the rows.
        problems: path of the problems, one line each.
        planned: the rows that a simulated database was planned with, to be matched exactly.

    Raises:
        DatasetError: a simulated database on disk is not the one that the configuration describes.
    """
    if planned is not None:
        _match(reading.samples, planned, index)
    write_index(index, reading.samples)
    cells = ([getattr(problem, name) for name in PROBLEM_FIELDS] for problem in reading.problems)
    write_csv(problems, PROBLEM_FIELDS, cells)
    excluded = sum(row.status != "ok" for row in reading.samples)
    return f"{len(reading.samples)} rows, {excluded} excluded, {len(reading.problems)} problems"


def _match(read: Sequence[Sample], planned: Sequence[Sample], index: Path) -> None:
    on_disk = {row.sample_id: (media_row(row), row.status, row.group) for row in read}
    expected = {row.sample_id: (media_row(row), row.status, row.group) for row in planned}
    if on_disk != expected:
        wrong = sorted(k for k in on_disk.keys() | expected.keys() if on_disk.get(k) != expected.get(k))
        raise DatasetError(
            index.parent / "simulate",
            f"simulated clips differ from the plan: {', '.join(wrong[:5])}",
            "the planned files",
            "delete this folder and run again",
        )
