"""Recognition without training: weights from outside become the checkpoint of a fold (`train.weights`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.models.state import State
from mer.training.experiment import Experiment
from mer.training.fit import write_fold
from mer.training.fold_tables import training_rows
from mer.training.gather import Gathered
from mer.training.outside import groups_of, own_checkpoint, record, report, require_planned, require_same_settings
from mer.training.products import Containers, Product
from mer.training.separation import FoldJob
from mer.weights.per_fold import FoldFile
from mer.weights.releases import class_order

Log = Callable[[str], None]


def convert_folds(
    experiment: Experiment, jobs: Sequence[FoldJob], containers: Containers, log: Callable[[str], Log]
) -> None:
    """Write the checkpoint of every fold from the file that `Experiment.weights` names for it; nothing is trained.

    Raises:
        ModelError: a held-out person in a table or behind a checkpoint, a file that is not the model's, of other
            classes or settings, or not the one that was planned.
    """
    for job in jobs:
        say = log(job.fold)
        rows = training_rows(job.train_table, job.held_out, experiment.classes)
        told = experiment.weights[job.fold]
        source = FoldFile.of(told["file"])
        if told["checkpoint"]:
            state, extra = _ours(experiment, source, job)
        else:
            state, extra = _keras(experiment, source)
            extra["inputs"] = {name: _made(name, containers, rows[0].source) for name in containers}
        write_fold(experiment, job, Gathered([], np.zeros(0), [], {}), state, extra, say)
        report(job.fold, extra["weights"], say)


def _ours(experiment: Experiment, source: FoldFile, job: FoldJob) -> tuple[State, dict[str, Any]]:
    wanted = {"model": experiment.model, "preset": experiment.preset, "classes": list(experiment.classes)}
    state, meta, told = own_checkpoint(source, job.held_out, **wanted)
    require_same_settings(meta, source.path, experiment.card, experiment.settings)
    return state, told


def _keras(experiment: Experiment, source: FoldFile) -> tuple[State, dict[str, Any]]:
    if source.refused:
        return State({}), {"train_groups": [], "weights": record([source])}
    read = experiment.card.from_keras
    if read is None:
        raise ModelError(source.path, f"no Keras file is published for {experiment.model}", "a checkpoint of mer")
    require_planned(source)
    order = class_order(source.classes, experiment.classes)
    state = read(source.path, experiment.classes, order)
    return state, {"train_groups": groups_of([source]), "weights": record([source])}


def _made(name: str, containers: Containers, source: str) -> dict[str, Any]:
    product = Product(name, containers)
    with product.open(source):
        return product.made
