"""What a reader hands back, canonical rows and every problem that was met on the way, and both as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mer.core.csvfile import write_csv
from mer.core.errors import DatasetError
from mer.core.sample import Sample, media_row, write_index
from mer.datasets.tables import Row

#: (canonical subject, clip) -> image or video files, each a POSIX path relative to the dataset root.
Listing = Mapping[tuple[str, str], Sequence[str]]


@dataclass(frozen=True)
class Problem:
    """One broken validation rule of specs/datasets.md §0.5 (V04 to V19).

    `severity` is "error" (the row is excluded or its media are missing) or "warning" (the row stays).
    `row` is the row number as a spreadsheet shows it, None when the problem has no single row.
    """

    rule: str
    severity: str
    file: str
    row: int | None
    message: str
    sample_id: str = ""

    def line(self) -> str:
        """Return the problem on one line."""
        place = f"{self.file} row {self.row}" if self.row is not None else self.file
        who = f" ({self.sample_id})" if self.sample_id else ""
        return " ".join(f"[{self.rule} {self.severity}] {place}{who}: {self.message}".split())


@dataclass
class Reading:
    """The rows of one database in table order, with every problem found.

    `release` is the annotation file's name and digest ("name sha256:…"), or what the caller gave. `leftovers` are
    the folders (relative to the root) that no row asks for; `left_out` the places in `samples` of rows that an option
    of the reader excludes. `unannotated` are the clips that no row asks for, each subject, clip and first file: in a
    release of long recordings, those without an expression. `faults` say why the copy as a whole cannot be used
    (`mer.datasets.copies`). `rows` are the table rows of the samples by their ids.
    """

    dataset: str
    release: str
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)
    unannotated: list[tuple[str, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    def note(self, rule: str, severity: str, message: str, row: int | None = None, sample_id: str = "") -> None:
        """Add a problem found in the annotation file of this reading."""
        file = self.release.split(" sha256:")[0] or self.dataset
        self.problems.append(Problem(rule, severity, file, row, message, sample_id))

    def ignored(self, rows: Sequence[Row]) -> Reading:
        """Add one warning for table rows that hold no annotation but some text; return self."""
        filled = [row for row in rows if any(cell.strip() for cell in row.values())]
        if filled:
            text = " | ".join(cell for cell in filled[0].values() if cell.strip())[:80]
            numbers = ", ".join(str(row.number) for row in filled[:8]) + (", …" if len(filled) > 8 else "")
            self.note(
                "V03", "warning", f"rows {numbers} hold no annotation and are ignored, e.g. {text!r}", filled[0].number
            )
        return self


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
