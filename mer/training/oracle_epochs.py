"""The jobs of the oracle-epoch diagnostic (`mer.training.oracle_score`): a fold trained once more, the weights of some
epochs kept, and what each of them says of the held-out clips.

The fit has the inputs of the fold's own fit and, like it, cannot open the held-out subjects' files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.csvfile import write_csv
from mer.core.errors import ConfigError, ModelError
from mer.models.state import State
from mer.training.checkpoint import load_checkpoint, save_checkpoint
from mer.training.experiment import Experiment
from mer.training.fit import fit_fold
from mer.training.fold_tables import EPOCH_COLUMNS
from mer.training.gather import features_for
from mer.training.predict import head, held_out_clips
from mer.training.products import Containers
from mer.training.separation import FoldJob


def fit_epochs(
    experiment: Experiment,
    jobs: Sequence[FoldJob],
    containers: Containers,
    *,
    workers: int = 1,
    log: Callable[[str], Callable[[str], None]],
) -> None:
    """Train folds as `fit_fold` does, and keep the weights of every `experiment.keep_every`-th epoch and the last.

    Arguments are those of a task (`mer.training.task`); folds are trained one after the other, whatever `workers` says.
    The metadata of what they write have `epochs`, the arrays are `final/<name>` and `epoch<k>/<name>`.

    Raises:
        ConfigError: the model has no epochs.
        ModelError: as `fit_fold`.
    """
    if not experiment.card.in_epochs:
        found = f"model {experiment.model} is not trained in epochs"
        raise ConfigError("diagnose.oracle_epoch", found, "a network", "remove it")
    for job in jobs:
        _fit(experiment, replace(job, resume=None), containers, log(job.fold))


def _fit(experiment: Experiment, job: FoldJob, containers: Containers, log: Callable[[str], None]) -> None:
    from mer.models import loop

    kept: dict[int, dict[str, np.ndarray]] = {}

    def keep(epoch: int, epochs: int, network: Any) -> None:
        if epoch <= max(kept, default=0):
            # A new training has begun: those before it were on inner subjects, to choose the number of epochs.
            kept.clear()
        if epoch % experiment.keep_every == 0 or epoch == epochs:
            kept[epoch] = loop.arrays_of(network)

    last = Path(job.out).with_suffix(".last")
    try:
        with loop.watching(keep):
            fit_fold(experiment, replace(job, out=last), containers, log)
        state, meta = load_checkpoint(last)
    finally:
        last.unlink(missing_ok=True)
    if not kept:
        found = "its training loop tells of no epoch"
        raise ModelError(experiment.model, found, "mer.models.loop", "remove the diagnostic")
    arrays = {f"final/{name}": array for name, array in state.arrays.items()}
    for epoch, weights in kept.items():
        arrays |= {f"epoch{epoch}/{name}": array for name, array in weights.items()}
    meta = {key: value for key, value in meta.items() if key not in ("state", "format")}
    save_checkpoint(job.out, State(arrays, state.meta), meta | {"epochs": sorted(kept)})


def predict_epochs(
    experiment: Experiment,
    fold: str,
    checkpoint: str | Path,
    test_table: str | Path,
    containers: Containers,
    outs: Sequence[str | Path],
    log: Callable[[str], None] = print,
) -> None:
    """Write what the weights of every kept epoch say of the held-out clips: a diagnostic, never a result.

    Arguments are those of `mer.training.predict.predict_fold`; `outs` is one CSV file with `EPOCH_COLUMNS`.

    Raises:
        ModelError: as `predict_fold`, or the checkpoint holds no epochs.
    """
    state, meta = load_checkpoint(checkpoint)
    if not meta.get("epochs"):
        raise ModelError(checkpoint, "holds no epochs", "a file of the diagnostic", "run the diagnostic's fit step")
    data = held_out_clips(experiment, fold, checkpoint, meta, test_table, containers)
    features = features_for(experiment.card, data.features)
    lines: list[list[object]] = []
    for epoch in meta["epochs"] if data.rows else ():
        scores = experiment.card.predict(of_epoch(state, epoch), features, experiment.device)
        names = [meta["classes"][best] for best in scores.argmax(axis=1)]
        lines += [[*head(row, meta), epoch, name] for row, name in zip(data.rows, names, strict=True)]
    write_csv(outs[0], EPOCH_COLUMNS, lines)
    log(f"predicted {len(data.rows)} clips of fold {fold} with {len(meta['epochs'])} kept epochs")


def of_epoch(state: State, epoch: int) -> State:
    """Return the state after one epoch: what the model adds to its weights, and the weights of that epoch."""
    arrays: dict[str, np.ndarray] = {}
    for prefix in ("final/", f"epoch{epoch}/"):
        named = {key.removeprefix(prefix): value for key, value in state.arrays.items() if key.startswith(prefix)}
        arrays |= named
    return State(arrays, state.meta)
