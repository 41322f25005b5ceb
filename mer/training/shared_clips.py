"""The clips of several folds of one job, gathered once, and what each fold is given of them.

What a fold is given is cut out by its own train table: it cannot name a row that its table does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.models.state import subset
from mer.training.experiment import Experiment
from mer.training.fold_tables import Row, training_rows
from mer.training.gather import Gathered, gather
from mer.training.products import Containers
from mer.training.separation import FoldJob


@dataclass(frozen=True)
class SharedClips:
    """The clips of several folds, and the train table of each fold."""

    data: Gathered
    tables: tuple[tuple[Row, ...], ...]

    def clips(self, fold: int) -> np.ndarray:
        """Return the rows (n,) int64 of the common features that the train table of a fold names, ascending."""
        named = {row.key for row in self.tables[fold]}
        return np.array([i for i, row in enumerate(self.data.rows) if row.key in named], dtype=np.int64)

    def part(self, fold: int) -> Gathered:
        """Return what gathering the train table of a fold alone would have given, as rows of the common features."""
        clips = self.clips(fold)
        return Gathered([self.data.rows[i] for i in clips], subset(self.data.features, clips), *self.told(fold))

    def told(self, fold: int) -> tuple[list[tuple[Row, str]], dict[str, dict[str, Any]]]:
        """Return the excluded clips of a fold, and what it read of each input."""
        named = {row.key for row in self.tables[fold]}
        sources = {row.source for row in self.tables[fold]}
        excluded = [pair for pair in self.data.excluded if pair[0].key in named]
        inputs = {
            name: {**told, "digests": {key: value for key, value in told["digests"].items() if key in sources}}
            for name, told in self.data.inputs.items()
        }
        return excluded, inputs


def share(experiment: Experiment, jobs: Sequence[FoldJob], containers: Containers) -> SharedClips:
    """Read every train table and gather the union of their clips, each container once.

    Raises:
        ModelError: as `mer.training.fold_tables.training_rows` and `gather`, or two tables that disagree on a clip.
    """
    tables = [tuple(training_rows(job.train_table, job.held_out, experiment.classes)) for job in jobs]
    union: dict[tuple[str, str], Row] = {}
    for job, table in zip(jobs, tables, strict=True):
        for row in table:
            if union.setdefault(row.key, row) != row:
                found = f"clip {row.sample_id} differs from that of another fold"
                raise ModelError(job.train_table, found, "one label for a clip", "write the fold's tables again")
    given = list(union.values()), containers, experiment.card, experiment.settings
    data = gather(*given, device=experiment.device, chains=experiment.chains)
    return SharedClips(data, tuple(tables))
