"""The clips of one part of a fold: rows with a class, as a CSV file that a fit or predict job reads.

Columns: `sample_id, dataset, subject, group, label, source, units`. `label` is a class name. `source` is
`<configured dataset>/<subject key>` and names the container file of the clip in every product. `units` are the clip's
annotated action units, `1+2+4`, `0` when a coder saw none, empty when nobody coded it; a test table holds them only
for an experiment that names itself an oracle (`regions: annotation`), and a table without the column has none. Rows are
kept in the order of (dataset, sample_id), so that no order on disk or in an index reaches a model.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer.core.atomic import write_text
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed


@dataclass(frozen=True)
class Row:
    """One clip with its class; see the module for the fields."""

    sample_id: str
    dataset: str
    subject: str
    group: str
    label: str
    source: str
    units: str = ""

    @property
    def unit_numbers(self) -> tuple[int, ...] | None:
        """The annotated action units, ascending; None when the clip has no annotation (or the table hides it)."""
        if not self.units:
            return None
        return tuple(sorted({int(unit) for unit in self.units.split("+")} - {0}))

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the clip among all datasets."""
        return (self.dataset, self.sample_id)


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))
REQUIRED = tuple(name for name in COLUMNS if name != "units")
UNITS = re.compile(r"(\d+(\+\d+)*)?")


def sorted_rows(rows: Iterable[Row], where: object) -> list[Row]:
    """Return rows in the order of their keys.

    Raises:
        ModelError: two rows have the same dataset and sample_id.
    """
    ordered = sorted(rows, key=lambda row: row.key)
    for first, second in itertools.pairwise(ordered):
        if first.key == second.key:
            found = f"clip {second.sample_id} of {second.dataset} occurs twice"
            raise ModelError(where, found, "every clip once", "list a dataset once per experiment")
    return ordered


def write_table(path: str | Path, rows: Iterable[Row]) -> None:
    """Write rows atomically in the order of their keys; raises as `sorted_rows`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(dataclasses.astuple(row) for row in sorted_rows(rows, path))
    write_text(path, buffer.getvalue())


def read_csv(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV file that must have `columns`, in any order, and may have more.

    Raises:
        ModelError: the file is missing, not UTF-8, lacks a column, or a row has another number of cells.
    """
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise ModelError(path, f"lacks the column {', '.join(missing)}", ", ".join(columns))
            rows = list(reader)
    except FileNotFoundError:
        raise ModelError(path, "table not found", remedy="run the step that writes it") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ModelError(path, f"unreadable table ({error})", "a CSV file written by mer") from error
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ModelError(f"{path} line {number}", "another number of cells than the header", "one cell per column")
    return rows


def read_table(path: str | Path) -> list[Row]:
    """Read what `write_table` wrote, in the order of the keys.

    Raises:
        ModelError: as `read_csv` and `sorted_rows`, or units that are not numbers joined by +.
    """
    cells = read_csv(path, REQUIRED)
    for row in cells:
        if not UNITS.fullmatch(row.setdefault("units", "")):
            raise ModelError(path, f"units {row['units']!r} of clip {row['sample_id']}", "action units as in 1+2+4")
    return sorted_rows((Row(**{name: row[name] for name in COLUMNS}) for row in cells), path)


def permute_labels(rows: Iterable[Row], seed: int) -> list[Row]:
    """Return rows whose labels are shuffled among the clips of each dataset: the leak test of a whole experiment.

    Done before any split, so that training and held-out labels are both wrong and class totals stay. The result
    depends on the set of rows and the seed only.
    """
    by_dataset: dict[str, list[Row]] = defaultdict(list)
    for row in sorted_rows(rows, "permuted labels"):
        by_dataset[row.dataset].append(row)
    permuted = []
    for dataset, members in by_dataset.items():
        order = np.random.default_rng(derive_seed(seed, "permuted labels", dataset)).permutation(len(members))
        permuted += [dataclasses.replace(row, label=members[i].label) for row, i in zip(members, order, strict=True)]
    return permuted


def sources(path: str | Path) -> list[str]:
    """Return the sorted `<dataset>/<subject key>` of a table's containers; raises as `read_table`."""
    return sorted({row.source for row in read_table(path)})
