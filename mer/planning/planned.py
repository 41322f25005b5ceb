"""What the workflow plans for an experiment of any task: its folds, its files, and the code of its jobs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

from mer.datasets.views import View
from mer.planning import keys, minutes
from mer.planning.catalog import Catalog
from mer.provenance import code_digest
from mer.training.folds import Fold
from mer.training.task import Task


def kept(answer: Callable[..., str]) -> Callable[..., str]:
    """Have a plan compute an answer about a task once: every fold's jobs ask for the same."""

    @wraps(answer)
    def once(plan: PlannedExperiment, *task: Task) -> str:
        if (answer.__name__, *task) not in plan.kept:
            plan.kept[answer.__name__, *task] = answer(plan, *task)
        return plan.kept[answer.__name__, *task]

    return once


class PlannedExperiment:
    """One experiment of the configuration.

    Args:
        catalog: of the configuration.
        name: of the experiment.
        folder: of its task, below the results.
        block: its block of the configuration, with `data` and `seeds`.
        inputs: the product of each of its inputs.
    """

    #: Whether the split job takes its rows from the index files, not from the databases.
    indexed = False
    #: Modules that the digests of fit and predict cover besides the task's.
    models: tuple[str, ...] = ()

    def __init__(self, catalog: Catalog, name: str, folder: str, block: Any, inputs: Mapping[str, str]) -> None:
        self.catalog, self.name, self.block, self.inputs = catalog, name, block, inputs
        self.folder: Path = catalog.config.results / folder / name
        self.kept: dict[tuple[object, ...], str] = {}

    @property
    def view(self) -> View:
        """The class scheme of the experiment."""
        return self.catalog.config.views[self.block.view]

    @property
    def folds_per_job(self) -> int:
        """Number of folds that one job trains."""
        return 1

    def gpus(self, task: Task) -> int:
        """Return how many GPUs a fit job of a task asks for."""
        return 0

    def fit_mib(self, task: Task, folds: Sequence[Fold[Any]], workers: int = 1) -> int:
        """Return the memory, MiB, of a job that trains these folds, on a CPU in so many processes."""
        raise NotImplementedError

    def predict_mib(self, task: Task, folds: Sequence[Fold[Any]]) -> int:
        """Return the memory, MiB, of a job that predicts these folds, one after the other."""
        raise NotImplementedError

    def fit_minutes(self, task: Task, folds: Sequence[Fold[Any]], workers: int = 1) -> int:
        """Return the minutes of a job that trains these folds, on a CPU in so many processes."""
        return minutes.UNKNOWN

    def predict_minutes(self, task: Task, folds: Sequence[Fold[Any]]) -> int:
        """Return the minutes of a job that predicts these folds, one after the other."""
        return minutes.SHARED

    def fit_group(self, task: Task) -> str | None:
        """Return the group of the fits of a single fold; None for those that need a submission each."""
        longest = max((self.fit_minutes(task, [fold]) for fold in self.folds[:1]), default=0)
        return None if self.gpus(task) or longest > minutes.SHARED else task.fit.rule

    @cached_property
    def folds(self) -> list[Fold[Any]]:
        """Every split, in order."""
        raise NotImplementedError

    def fold(self, name: str) -> Fold[Any]:
        """Return one fold by its name."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Fold[Any]]:
        return {fold.name: fold for fold in self.folds}

    def containers(self, sources: Iterable[str]) -> dict[str, dict[str, Path]]:
        """Return `{input: {"dataset/subject": container}}` for the given sources."""
        pairs = [(source, *source.split("/", 1)) for source in sources]
        return {
            name: {source: self.catalog.product(dataset, product, subject) for source, dataset, subject in pairs}
            for name, product in self.inputs.items()
        }

    def products(self, sources: Iterable[str]) -> list[Path]:
        """Return the containers that a job over the given sources opens."""
        # Several folds name nearly the same sources, and there may be thousands of each.
        boxes = self.containers(dict.fromkeys(sources)).values()
        return sorted({path for some in boxes for path in some.values()})

    def chains(self) -> dict[str, list[dict[str, Any]]]:
        """Return the steps that lead to each input, as containers record them."""
        return {name: keys.chain(self.catalog.config, product) for name, product in self.inputs.items()}

    def trunk(self, fold: str) -> list[Path]:
        """Return the checkpoint of another experiment that the training of a fold begins with; none for most."""
        return []

    def files(self, name: str) -> list[Path]:
        """Return a file of every seed and fold."""
        return [self.folder / f"seed{seed}" / fold.name / name for seed in self.block.seeds for fold in self.folds]

    def tables(self) -> Iterator[tuple[Path, Sequence[Any]]]:
        """Yield what the split job writes: the tables of every fold, `train.csv` and `test.csv`, with their rows."""
        for fold in self.folds:
            folder = self.folder / "folds" / fold.name
            yield from ((folder / "train.csv", fold.train), (folder / "test.csv", fold.test))

    @kept
    def fit_code(self, task: Task) -> str:
        """Return the digest of the code that trains."""
        return keys.script("fit", code_digest(task.fit.module, *self.models))

    @kept
    def predict_code(self, task: Task) -> str:
        """Return the digest of the code that applies what was trained."""
        return keys.script("predict", code_digest(task.predict.module, *self.models))

    def fit_block(self, task: Task) -> str:
        """Return what a fit depends on besides its inputs, and what its job reads the experiment from."""
        raise NotImplementedError

    def made(self, task: Task) -> str:
        """Return the digest by which a checkpoint is known to be the one that is planned."""
        return keys.digest(self.fit_block(task), self.fit_code(task))

    def batches(self) -> list[list[Fold[Any]]]:
        """Return the folds of every job that trains, or predicts, several."""
        size = self.folds_per_job
        return [self.folds[start : start + size] for start in range(0, len(self.folds), size)] if size > 1 else []


def trying(asked: Callable[..., int], most: int = sys.maxsize) -> Callable[..., int]:
    """Return a resource of a rule: as much again with every attempt, as the last was ended for its memory or time."""
    return lambda wildcards, threads, attempt: min(most, attempt * asked(wildcards, threads))


def one_by_one(experiments: Iterable[PlannedExperiment]) -> str:
    """Return the pattern of the experiments whose folds are trained in a job each; one that nothing matches if none."""
    names = [experiment.name for experiment in experiments if experiment.folds_per_job == 1]
    return "|".join(re.escape(name) for name in names) or "(?!)"
