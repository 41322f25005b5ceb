"""What is done with the folds of an experiment, whatever it learns: the contract that every task keeps.

A task is a set of steps, each a function in a module of its own, so that a step's code digest covers what it runs and
no more. The workflow makes its rules from the steps, and its scripts call the functions:

    table(path, rows)                                    writes the rows of one part of a fold
    experiment(block, seed, device)                      what the folds have in common, from a job's parameters
    fit(experiment, jobs, containers, workers=, log=)    writes the checkpoint of every `FoldJob`
    predict(experiment, fold, checkpoint, table, containers, outs, log=)    writes `outs` of the held-out rows
    score(inputs, outs, **block)                         scores every fold and seed; returns lines for the log

Rows have `group` (the person), `source` (`<configured dataset>/<subject key>`) and `sample_id`, and so have the columns
of their tables. `containers` is `{input: {source: path}}` of the rows' sources and of no other. `fit` refuses a table
that names a held-out group, and `predict` a checkpoint that was trained on a group of its table, or as another
`experiment` or `fold` (`mer.training.separation`). `workers` are processes on a CPU. `log` takes one line at a time;
that of `fit` gives the function that takes the lines of a fold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


def function(place: str) -> Callable[..., Any]:
    """Import and return the function at `package.module:function`."""
    module, _, name = place.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), name)
    return loaded


@dataclass(frozen=True)
class Step:
    """One step of a task.

    Attributes:
        rule: name of its rule, and of the folder of its logs.
        does: the function, as `package.module:function`.
        files: what it writes, in order.
    """

    rule: str
    does: str
    files: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module of the function, for its code digest."""
        return self.does.partition(":")[0]

    def load(self) -> Callable[..., Any]:
        """Import and return the function."""
        return function(self.does)


@dataclass(frozen=True)
class Task:
    """The steps of a task; its results lie in `results/<folder>/<experiment>/`.

    Attributes:
        folder: below the results.
        experiment: the function that reads a job's parameters, as `package.module:function`.
        table: writes the table of a part of a fold.
        fit: writes one checkpoint for every fold.
        predict: writes its files for every fold.
        score: writes its files once; None for a diagnostic that another task scores.
    """

    folder: str
    experiment: str
    table: Step
    fit: Step
    predict: Step
    score: Step | None


RECOGNITION = Task(
    folder="experiments",
    experiment="mer.training.experiment:from_block",
    table=Step("split", "mer.training.fold_tables:write_table"),
    fit=Step("fit", "mer.training.many_folds:fit_folds", ("model.safetensors",)),
    predict=Step("predict", "mer.training.predict:predict_fold", ("predictions.csv", "excluded.csv")),
    score=Step(
        "score",
        "mer.training.score:score_task",
        ("metrics.json", "per_subject.csv", "confusion.csv", "table.tex"),
    ),
)

# The diagnostic trains the folds of recognition once more; the score of recognition reads what it says.
ORACLE_EPOCHS = Task(
    folder="experiments",
    experiment="mer.training.experiment:from_block",
    table=RECOGNITION.table,
    fit=Step("fit_epochs", "mer.training.oracle_epochs:fit_epochs", ("epochs.safetensors",)),
    predict=Step("predict_epochs", "mer.training.oracle_epochs:predict_epochs", ("epochs.csv",)),
    score=None,
)
