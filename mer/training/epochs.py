"""Training a fold once more and keeping the weights of some epochs, for the diagnostic of `mer.training.oracle`.

The job has the inputs of the fit job and, like it, cannot open the held-out subjects' files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mer.core.errors import ConfigError, ModelError
from mer.models import registry
from mer.models.state import State
from mer.training.checkpoint import load_checkpoint, save_checkpoint
from mer.training.fit import fit_fold
from mer.training.gather import Containers
from mer.training.recipe import Recipe


def fit_epochs(
    model: str,
    preset: str | None,
    recipe: Recipe,
    train_table: str | Path,
    containers: Containers,
    out: str | Path,
    *,
    every: int,
    **options: Any,
) -> None:
    """Train a fold as `mer.training.fit.fit_fold` does, and keep the weights of every `every`-th epoch and the last.

    Args:
        model: as `fit_fold`, and so are `options`.
        preset: as `fit_fold`.
        recipe: as `fit_fold`.
        train_table: as `fit_fold`.
        containers: as `fit_fold`.
        out: the file to write; its metadata have `epochs`, its arrays `final/<name>` and `epoch<k>/<name>`.
        every: at least 1.
        options: passed on.

    Raises:
        ConfigError: the model has no epochs.
        ModelError: as `fit_fold`.
    """
    if not registry.model(model, "model").in_epochs:
        raise ConfigError("diagnose.oracle_epoch", f"model {model} is not trained in epochs", "a network", "remove it")
    from mer.models import loop

    kept: dict[int, dict[str, np.ndarray]] = {}

    def keep(epoch: int, epochs: int, network: Any) -> None:
        if epoch <= max(kept, default=0):
            # A new training has begun: those before it were on inner subjects, to choose the number of epochs.
            kept.clear()
        if epoch % every == 0 or epoch == epochs:
            kept[epoch] = loop.arrays_of(network)

    last = Path(out).with_suffix(".last")
    try:
        with loop.watching(keep):
            fit_fold(model, preset, recipe, train_table, containers, last, **options)
        state, meta = load_checkpoint(last)
    finally:
        last.unlink(missing_ok=True)
    if not kept:
        raise ModelError(model, "its training loop tells of no epoch", "mer.models.loop", "remove the diagnostic")
    arrays = {f"final/{name}": array for name, array in state.arrays.items()}
    for epoch, own in kept.items():
        arrays |= {f"epoch{epoch}/{name}": array for name, array in own.items()}
    meta = {key: value for key, value in meta.items() if key not in ("state", "format")}
    save_checkpoint(out, State(arrays, state.meta), meta | {"epochs": sorted(kept)})
