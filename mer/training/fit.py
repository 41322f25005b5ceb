"""Training one fold: from a train table and the containers of its clips to one checkpoint.

The held-out persons' files are not among the arguments, and a train table that names one of them is refused. The number
of epochs is fixed in advance; choices that need a score are made by the model inside the training part, by person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mer import __version__
from mer.core.container import file_digest
from mer.core.errors import ModelError
from mer.core.registry import load
from mer.core.seeds import derive_seed
from mer.models.registry import MODELS
from mer.training.checkpoint import save_checkpoint
from mer.training.gather import Containers, Gathered, gather
from mer.training.recipe import Recipe, check, settings
from mer.training.tables import Row, read_table


def fit_fold(
    model: str,
    preset: str | None,
    recipe: Recipe,
    train_table: str | Path,
    containers: Containers,
    out: str | Path,
    *,
    classes: Sequence[str],
    fold: str,
    held_out: Sequence[str],
    seed: int,
    device: str = "cpu",
    log: Callable[[str], None] = print,
) -> None:
    """Train `model` on the clips of `train_table` and write its checkpoint.

    Args:
        model: name in `mer.models.registry.MODELS`.
        preset: name of one of its presets; its first when None.
        recipe: overrides.
        train_table: written by `mer.training.tables.write_table`.
        containers: `{input: {source: path}}`; nothing else is opened.
        out: the checkpoint, `.safetensors`.
        classes: the fixed class set, in the order of the scores.
        fold: name of the fold; with `seed` it decides every random number.
        held_out: groups that must not be in the table.
        seed: of the experiment's run.
        device: `cpu` or `cuda`.
        log: takes one line at a time.

    Raises:
        ConfigError: unknown model, preset, setting or device.
        ModelError: a held-out person or an unknown class in the table, one class only, or unusable features.
        ContainerError, StorageError: as `gather` and `save_checkpoint`.
    """
    preset = check(model, preset, recipe, len(classes), f"fold {fold}")
    module = load(MODELS, model, f"fold {fold}")
    chosen = settings(module.PRESETS[preset], recipe, f"fold {fold}")
    rows = read_table(train_table)
    _refuse(rows, held_out, classes, train_table)
    data = gather(rows, containers, module, chosen)
    for row, reason in data.excluded:
        log(f"training clip {row.sample_id} of {row.dataset} left out: {reason}")
    labels = np.array([classes.index(row.label) for row in data.rows], dtype=np.int64)
    for name in sorted(set(classes) - {row.label for row in data.rows}):
        log(f"fold {fold}: no training clip of class {name}")
    groups = np.array([row.group for row in data.rows])
    own_seed = derive_seed(seed, model, preset, fold)
    state = module.fit(data.features, labels, groups, len(classes), chosen, own_seed, log, device)
    metadata = _record(data, classes, module.LIBRARIES, train_table)
    metadata |= {"model": model, "preset": preset, "recipe": recipe.overrides(), "settings": chosen.model_dump()}
    metadata |= {"fold": fold, "held_out": sorted(held_out), "seed": seed, "device": device}
    save_checkpoint(out, state, metadata)


def _refuse(rows: Sequence[Row], held_out: Sequence[str], classes: Sequence[str], where: str | Path) -> None:
    if not held_out:
        raise ModelError(where, "no held-out subject named", "the groups that the fold leaves out")
    for row in rows:
        if row.group in held_out:
            found = f"clip {row.sample_id} belongs to the held-out subject {row.group}"
            raise ModelError(where, found, "clips of other subjects only", "write the fold's tables again")
        if row.label not in classes:
            raise ModelError(where, f"clip {row.sample_id} has class {row.label!r}", ", ".join(classes))


def _record(data: Gathered, classes: Sequence[str], libraries: Sequence[str], table: str | Path) -> dict[str, Any]:
    counts = Counter(row.label for row in data.rows)
    return {
        "classes": list(classes),
        "class_counts": {name: counts[name] for name in classes},
        "n_train": len(data.rows),
        "train_groups": sorted({row.group for row in data.rows}),
        "train_table": file_digest(table),
        "excluded": {f"{row.dataset}/{row.sample_id}": reason for row, reason in data.excluded},
        "inputs": data.inputs,
        "versions": {"mer": __version__, **{name: version(name) for name in libraries}},
    }
