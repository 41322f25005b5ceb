"""Known faults of the released tables, kept as data in `errata.csv` (specs/datasets.md §0.5).

Columns: dataset (or `dataset:view`), key, field, old, new, reason, source. `old` lists every faulty value that
copies of the table have been seen to hold, separated by `|`; a correction is applied only where the table holds one
of them. Keys are those of rows, without regard to case: names of folders and files know none either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mer.core.csvfile import read_csv
from mer.core.errors import DatasetError
from mer.core.registry import nearest
from mer.datasets.intervals import frame_number

_FILE = Path(__file__).with_name("errata.csv")
COLUMNS = ("dataset", "key", "field", "old", "new", "reason", "source")
#: What can be corrected: a cell of a row, or which branch of an `or` in its action units holds.
FIELDS = ("onset", "apex", "offset", "emotion", "objective", "aus", "au_choice")


@dataclass(frozen=True)
class Erratum:
    """One correction: in the row `key`, `field` reads `old` (one of several values, separated by `|`), not `new`."""

    key: str
    field: str
    old: str
    new: str
    reason: str
    source: str

    @property
    def name(self) -> str:
        """The id that is logged in `Sample.errata`: `key field old->new`."""
        return f"{self.key} {self.field} {self.old or 'blank'}->{self.new}"

    @property
    def olds(self) -> tuple[str, ...]:
        """The faulty values."""
        return tuple(self.old.split("|"))

    def of(self, cell: str) -> Erratum | None:
        """Return the correction of a cell that holds an old value, with that value alone as `old`; None for others."""
        return next((dataclasses.replace(self, old=old) for old in self.olds if _same(old, cell)), None)


def _same(value: str, cell: str) -> bool:
    """Compare as cells are typed: ` 34 ` and `34.0` are 34."""
    number = frame_number(value)
    return cell.strip() == value if number is None else frame_number(cell) == number


class Errata(Mapping[str, tuple[Erratum, ...]]):
    """Corrections by the key of a row, without regard to case."""

    def __init__(self, errata: Iterable[Erratum] = ()) -> None:
        by_key: dict[str, list[Erratum]] = {}
        for erratum in errata:
            by_key.setdefault(erratum.key.casefold(), []).append(erratum)
        self._by_key = {key: tuple(same) for key, same in by_key.items()}

    def __getitem__(self, key: str) -> tuple[Erratum, ...]:
        return self._by_key[key.casefold()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)


@cache
def errata_of(dataset: str, view: str = "") -> Errata:
    """Return the corrections of a database, with those meant for one view only when it is that view.

    Raises:
        DatasetError: the file lacks a column or has one more, or corrects what is no `FIELDS`.
    """
    lines = read_csv(_FILE, COLUMNS, DatasetError, "mend its header", others=False)
    for number, line in enumerate(lines, start=2):
        if line["field"] not in FIELDS:
            found = f"corrects {line['field']!r}"
            raise DatasetError(f"{_FILE} line {number}", found, ", ".join(FIELDS), nearest(line["field"], FIELDS))
    return Errata(Erratum(**line) for line in lines if line.pop("dataset") in (dataset, f"{dataset}:{view}"))


def corrected(
    values: Mapping[str, str], errata: Sequence[Erratum]
) -> tuple[dict[str, str], tuple[Erratum, ...], tuple[Erratum, ...]]:
    """Return the corrected values, the corrections applied, and those that found another value than any they know.

    What is applied names the one old value that was found. A cell that holds the new value already needs nothing.
    """
    values = {name: str(value) for name, value in values.items()}
    applied: list[Erratum] = []
    unmatched: list[Erratum] = []
    for erratum in errata:
        cell = values.get(erratum.field)
        if cell is None or _same(erratum.new, cell):
            continue
        hit = erratum.of(cell)
        if hit:
            values[erratum.field] = hit.new
            applied.append(hit)
        else:
            unmatched.append(erratum)
    return values, tuple(applied), tuple(unmatched)
