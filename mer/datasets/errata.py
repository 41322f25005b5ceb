"""Known faults of the released tables, kept as data in `errata.csv` (specs/datasets.md §0.5).

Columns: dataset (or `dataset:view`), key, field, old, new, reason, source. A correction is applied only
where the table still holds the old value; several rows with one key and field are alternatives (different
copies of the table hold different faults).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mer.core.csvfile import read_csv
from mer.core.errors import DatasetError

_FILE = Path(__file__).with_name("errata.csv")
COLUMNS = ("dataset", "key", "field", "old", "new", "reason", "source")


@dataclass(frozen=True)
class Erratum:
    """One correction: in the row `key`, `field` reads `old` and should read `new`."""

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


@cache
def errata_of(dataset: str, view: str = "") -> Mapping[str, tuple[Erratum, ...]]:
    """Return key -> corrections of a database, with those meant for one view only when it is that view."""
    by_key: dict[str, list[Erratum]] = {}
    for line in read_csv(_FILE, COLUMNS, DatasetError, "restore the file"):
        if line.pop("dataset") in (dataset, f"{dataset}:{view}"):
            by_key.setdefault(line["key"], []).append(Erratum(**line))
    return {key: tuple(errata) for key, errata in by_key.items()}


def corrected(
    values: Mapping[str, str], errata: tuple[Erratum, ...]
) -> tuple[dict[str, str], tuple[Erratum, ...], tuple[Erratum, ...]]:
    """Return the corrected values, the corrections applied, and those whose old value was not found.

    A field that already holds a new value, or one of whose alternatives was applied, is not listed as unmatched
    unless no alternative matched; compare as numbers are typed: surrounding spaces do not count.
    """
    values = {name: str(value) for name, value in values.items()}
    applied: list[Erratum] = []
    unmatched: list[Erratum] = []
    for name in dict.fromkeys(erratum.field for erratum in errata):
        if name not in values:
            continue
        choices = [erratum for erratum in errata if erratum.field == name]
        hit = next((e for e in choices if e.old == values[name].strip()), None)
        if hit:
            values[name] = hit.new
            applied.append(hit)
        elif choices:
            unmatched.append(choices[0])
    return values, tuple(applied), tuple(unmatched)
