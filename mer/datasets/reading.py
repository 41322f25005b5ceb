"""What a reader hands back: canonical rows and every problem that was met on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mer.core.sample import Sample
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
    release of long recordings, those without an expression.
    """

    dataset: str
    release: str
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)
    unannotated: list[tuple[str, str, str]] = field(default_factory=list)

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
