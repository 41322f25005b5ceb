"""Training many folds in one job, with the results of one fold at a time.

The clips of all folds are gathered once. What a fold is given is cut out of them by its own train table: on a CPU a
copy of its training clips' features, in a process of one thread; on a GPU the row numbers of its training clips, for
models that train several folds at once (`fit_together`; not with an inner choice of epochs, clipping or bf16). A fold
cannot name a row that its table does not have.

Checkpoints from a CPU are the same bytes as from `mer.training.fit.fit_fold`. Those from a GPU agree within rounding
whichever folds are trained together: scores to about 1e-4 in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mer.core.errors import ModelError
from mer.training.fit import FoldJob, Plan, Trial, train_fold, training_rows, write
from mer.training.gather import Containers, Gathered, gather, subset
from mer.training.tables import Row

Log = Callable[[str], None]


@dataclass(frozen=True)
class Shared:
    """The clips of several folds, and which of them each fold trains on."""

    data: Gathered
    tables: tuple[tuple[Row, ...], ...]

    def clips(self, fold: int) -> np.ndarray:
        """Return the rows (n,) int64 of the common features that the train table of a fold names, ascending."""
        named = {row.key for row in self.tables[fold]}
        return np.array([i for i, row in enumerate(self.data.rows) if row.key in named], dtype=np.int64)

    def part(self, fold: int) -> Gathered:
        """Return what gathering the train table of a fold alone would have given, with copies of its features."""
        clips = self.clips(fold)
        return Gathered([self.data.rows[i] for i in clips], subset(self.data.features, clips), *self.told(fold))

    def told(self, fold: int) -> tuple[list[tuple[Row, str]], dict[str, dict[str, object]]]:
        """Return the excluded clips of a fold, and what it read of each input."""
        named = {row.key for row in self.tables[fold]}
        sources = {row.source for row in self.tables[fold]}
        excluded = [pair for pair in self.data.excluded if pair[0].key in named]
        inputs = {
            name: {**told, "digests": {key: value for key, value in told["digests"].items() if key in sources}}
            for name, told in self.data.inputs.items()
        }
        return excluded, inputs


def share(own: Plan, jobs: Sequence[FoldJob], containers: Containers) -> Shared:
    """Read every train table and gather the union of their clips, each container once.

    Raises:
        ModelError: as `mer.training.fit.training_rows` and `gather`, or two tables that disagree on a clip.
    """
    tables = [tuple(training_rows(job, own.classes)) for job in jobs]
    union: dict[tuple[str, str], Row] = {}
    for job, table in zip(jobs, tables, strict=True):
        for row in table:
            if union.setdefault(row.key, row) != row:
                found = f"clip {row.sample_id} differs from that of another fold"
                raise ModelError(job.train_table, found, "one label for a clip", "write the fold's tables again")
    return Shared(gather(list(union.values()), containers, own.card, own.settings), tuple(tables))


def fit_folds(
    own: Plan,
    jobs: Sequence[FoldJob],
    containers: Containers,
    *,
    workers: int = 1,
    log: Callable[[str], Log],
    every: float = 60.0,
) -> None:
    """Train several folds and write their checkpoints.

    Args:
        own: what the folds have in common (`mer.training.fit.plan`).
        jobs: the folds.
        containers: `{input: {source: path}}` of all their training clips.
        workers: processes on a CPU; folds are dealt to them.
        log: gives the function that takes the lines of a fold.
        every: seconds between two writings of a fold's resume file.

    Raises:
        ConfigError, ModelError, ContainerError, StorageError: as `fit_fold`. Folds that were finished before stay.
    """
    shared = share(own, jobs, containers)
    recipe = own.recipe
    plain = recipe.inner is None and not recipe.gradient_clip and recipe.precision != "bf16"
    if own.device == "cuda" and own.card.fit_together is not None and plain:
        fit_on_gpu(own, jobs, shared, log)
    elif own.device != "cuda" and workers > 1 and len(jobs) > 1:
        from mer.training.workers import fit_in_processes

        fit_in_processes(own, jobs, shared, workers, log, every)
    else:
        for number, job in enumerate(jobs):
            train_fold(own, job, shared.part(number), log(job.fold), every=every)


def fit_on_gpu(own: Plan, jobs: Sequence[FoldJob], shared: Shared, log: Callable[[str], Log]) -> None:
    """Train folds at once, as many as the memory of the device holds: half of them when it does not hold all."""
    import torch

    from mer.models.together import Share

    together, waiting, width = own.card.fit_together, list(range(len(jobs))), len(jobs)
    assert together is not None
    while waiting:
        taken = waiting[:width]
        trials = [Trial(own, jobs[k].fold, shared.data, log(jobs[k].fold)) for k in taken]
        clips = [shared.clips(k) for k in taken]
        pairs = zip(trials, clips, strict=True)
        parts = [Share(own_clips, trial.labels[own_clips], trial.seed) for trial, own_clips in pairs]
        say = log(jobs[taken[0]].fold)
        try:
            states = together(shared.data.features, parts, len(own.classes), own.settings, say, own.device)
        except torch.OutOfMemoryError:
            if width == 1:
                raise ModelError("training", "no memory for one fold", remedy="set a smaller batch_size") from None
            width = max(1, len(taken) // 2)
            torch.cuda.empty_cache()
            say(f"no memory for {len(taken)} folds at once; {width} from here on")
            continue
        for k, state in zip(taken, states, strict=True):
            told = Gathered([shared.data.rows[i] for i in shared.clips(k)], np.zeros(0), *shared.told(k))
            write(own, jobs[k], told, state, {"precision": "float32"}, log(jobs[k].fold))
        waiting = waiting[len(taken) :]
