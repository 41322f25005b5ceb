"""The clips of one part of a fold: rows with a class, as a CSV file that a fit or predict job reads.

Columns: `sample_id, dataset, subject, group, label, source, units`. `label` is a class name. `source` is
`<configured dataset>/<subject key>` and names the container file of the clip in every product. `units` are the clip's
annotated action units, `1+2+4`, `0` when a coder saw none, empty when nobody coded it; a test table holds them only
for an experiment that names itself an oracle (`regions: annotation`), and a table without the column has none. Rows are
kept in the order of (dataset, sample_id), so that no order on disk or in an index reaches a model.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from mer.core.csvfile import read_csv, write_csv
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.training.separation import TableRow, require_held_out


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


R = TypeVar("R", bound=TableRow)
COLUMNS = tuple(field.name for field in dataclasses.fields(Row))
REQUIRED = tuple(name for name in COLUMNS if name != "units")
UNITS = re.compile(r"(\d+(\+\d+)*)?")


# Columns of the tables that a predict job writes, for those who write and those who read them.
PREDICTION_COLUMNS = ("sample_id", "dataset", "subject", "group", "fold", "seed", "label", "prediction")
EXCLUDED_COLUMNS = ("sample_id", "dataset", "subject", "group", "fold", "seed", "label", "reason")
EPOCH_COLUMNS = ("sample_id", "dataset", "subject", "group", "fold", "seed", "label", "epoch", "prediction")


def sorted_rows(rows: Iterable[R], where: object) -> list[R]:
    """Return rows in the order of their keys.

    Raises:
        ModelError: two rows have the same dataset and sample_id.
    """
    ordered = sorted(rows, key=lambda row: row.key)
    for first, second in itertools.pairwise(ordered):
        if first.key == second.key:
            found = f"clip {second.key[1]} of {second.key[0]} occurs twice"
            remedy = "list a dataset once per experiment, or set `database` where two tables of your own are read"
            raise ModelError(where, found, "every clip once", remedy)
    return ordered


def write_table(path: str | Path, rows: Iterable[Row]) -> None:
    """Write rows atomically in the order of their keys; raises as `sorted_rows`."""
    write_csv(path, COLUMNS, [dataclasses.astuple(row) for row in sorted_rows(rows, path)])


def read_table(path: str | Path) -> list[Row]:
    """Read what `write_table` wrote, in the order of the keys.

    Raises:
        ModelError: as `mer.core.csvfile.read_csv` and `sorted_rows`, or units that are not numbers joined by +.
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


def training_rows(table: str | Path, held_out: Sequence[str], classes: Sequence[str]) -> list[Row]:
    """Read the train table of a fold.

    Raises:
        ModelError: as `read_table` and `require_held_out`, or a class that is not in the set.
    """
    rows = read_table(table)
    require_held_out(rows, held_out, table)
    for row in rows:
        if row.label not in classes:
            raise ModelError(table, f"clip {row.sample_id} has class {row.label!r}", ", ".join(classes))
    return rows


def sources(path: str | Path) -> list[str]:
    """Return the sorted `<dataset>/<subject key>` of the containers of a fold's table, of any task."""
    return sorted({row["source"] for row in read_csv(path, ("source",))})
