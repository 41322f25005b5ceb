"""Predicting one fold: the held-out clips are read once, by a checkpoint that did not see their persons."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.atomic import write_text
from mer.core.errors import ModelError
from mer.models import registry
from mer.models.contract import Model
from mer.models.state import State
from mer.training.checkpoint import load_checkpoint
from mer.training.columns import EPOCH_COLUMNS, EXCLUDED_COLUMNS, PREDICTION_COLUMNS
from mer.training.gather import Containers, Gathered, gather
from mer.training.recipe import Recipe, settle
from mer.training.tables import Row, read_table


def predict_fold(
    checkpoint: str | Path,
    test_table: str | Path,
    containers: Containers,
    out: str | Path,
    excluded: str | Path,
    *,
    model: str,
    preset: str | None,
    fold: str,
    seed: int,
    recipe: Recipe | None = None,
    device: str = "cpu",
) -> None:
    """Write `predictions.csv` and `excluded.csv` of one fold; every clip of the table is in exactly one of them.

    Predictions have `PREDICTION_COLUMNS` and `score_<class>` for each class; `prediction` is the class with the
    largest score (ties: the first). Exclusions have `EXCLUDED_COLUMNS`.

    Args:
        checkpoint: written by `mer.training.fit.fit_fold`.
        test_table: the held-out clips.
        containers: `{input: {source: path}}` of the held-out persons.
        out: predictions, CSV.
        excluded: clips without a prediction, CSV.
        model: model that the checkpoint must hold.
        preset: preset that it must have been trained with; the model's first when None.
        fold: fold that it must have been trained for.
        seed: seed that it must have been trained with.
        recipe: overrides that it must have been trained with.
        device: `cpu` or `cuda`.

    Raises:
        ConfigError: unknown model, preset or setting.
        ModelError: the checkpoint is of another model, preset, recipe, fold or seed, was trained on a person of the
            table, or on inputs made with other parameters.
        ContainerError, StorageError: as `gather` and `mer.core.atomic.write_text`.
    """
    state, meta = load_checkpoint(checkpoint)
    card, data = _open(checkpoint, meta, test_table, containers, model, preset, fold, seed, recipe or Recipe())
    scores = card.predict(state, data.features, device) if data.rows else np.zeros((0, len(meta["classes"])))
    _write(out, excluded, data, scores, meta)


def predict_epochs(
    checkpoint: str | Path,
    test_table: str | Path,
    containers: Containers,
    out: str | Path,
    *,
    model: str,
    preset: str | None,
    fold: str,
    seed: int,
    recipe: Recipe | None = None,
    device: str = "cpu",
) -> None:
    """Write what the weights of every kept epoch say of the held-out clips: a diagnostic, never a result.

    Args:
        checkpoint: written by `mer.training.epochs.fit_epochs`.
        test_table: the held-out clips.
        containers: of the held-out persons.
        out: CSV with `EPOCH_COLUMNS`.
        model: as `predict_fold`, and so are the others.
        preset: as `predict_fold`.
        fold: as `predict_fold`.
        seed: as `predict_fold`.
        recipe: as `predict_fold`.
        device: `cpu` or `cuda`.

    Raises:
        ModelError: as `predict_fold`, or the file holds no epochs.
    """
    state, meta = load_checkpoint(checkpoint)
    if not meta.get("epochs"):
        raise ModelError(checkpoint, "holds no epochs", "a file of the diagnostic", "run the diagnostic's fit step")
    card, data = _open(checkpoint, meta, test_table, containers, model, preset, fold, seed, recipe or Recipe())
    lines: list[list[object]] = []
    for epoch in meta["epochs"] if data.rows else ():
        scores = card.predict(of_epoch(state, epoch), data.features, device)
        names = [meta["classes"][best] for best in scores.argmax(axis=1)]
        lines += [[*_head(row, meta), epoch, name] for row, name in zip(data.rows, names, strict=True)]
    write_text(out, _csv(EPOCH_COLUMNS, lines))


def of_epoch(state: State, epoch: int) -> State:
    """Return the state after one epoch: what the model adds to its weights, and the weights of that epoch."""
    final, own = "final/", f"epoch{epoch}/"
    arrays = {key.removeprefix(final): value for key, value in state.arrays.items() if key.startswith(final)}
    arrays |= {key.removeprefix(own): value for key, value in state.arrays.items() if key.startswith(own)}
    return State(arrays, state.meta)


def _open(
    checkpoint: str | Path,
    meta: dict[str, Any],
    test_table: str | Path,
    containers: Containers,
    model: str,
    preset: str | None,
    fold: str,
    seed: int,
    recipe: Recipe,
) -> tuple[Model, Gathered]:
    """Check that a checkpoint is the one wanted and has not seen the table's persons; read the clips."""
    preset, chosen = settle(model, preset, recipe, f"fold {fold}", len(meta["classes"]))
    wanted = {"model": model, "preset": preset, "fold": fold, "seed": seed}
    # Through JSON, as the checkpoint's own: a tuple comes back as a list.
    wanted["settings"] = chosen.model_dump(mode="json")
    for key, value in wanted.items():
        if meta[key] != value:
            raise ModelError(checkpoint, f"trained with {key} {meta[key]}", f"{key} {value}", "run the fit step again")
    rows = read_table(test_table)
    seen = sorted({row.group for row in rows} & set(meta["train_groups"]))
    if seen:
        raise ModelError(checkpoint, f"was trained on {seen[0]}, a subject of {test_table}", "held-out subjects only")
    card = registry.model(model, f"fold {fold}")
    return card, _gather(rows, containers, card, chosen, meta["inputs"])


def _gather(rows: Sequence[Row], containers: Containers, card: Model, preset: Any, trained: dict[str, Any]) -> Gathered:
    data = gather(rows, containers, card, preset, allow_empty=True)
    for name, product in data.inputs.items():
        for key in ("stage", "parameters"):
            if product and product[key] != trained[name][key]:
                found = f"{key} {product[key]} differ from those of the training part"
                raise ModelError(f"input {name}", found, f"{trained[name][key]}", "run that stage again")
    return data


def _write(out: str | Path, excluded: str | Path, data: Gathered, scores: np.ndarray, meta: dict[str, Any]) -> None:
    classes = meta["classes"]
    best = scores.argmax(axis=1)
    lines = [
        [*_head(row, meta), classes[best[i]], *(format(score, ".9g") for score in scores[i])]
        for i, row in enumerate(data.rows)
    ]
    write_text(excluded, _csv(EXCLUDED_COLUMNS, [[*_head(row, meta), reason] for row, reason in data.excluded]))
    write_text(out, _csv([*PREDICTION_COLUMNS, *(f"score_{name}" for name in classes)], lines))


def _head(row: Row, meta: dict[str, Any]) -> list[object]:
    return [row.sample_id, row.dataset, row.subject, row.group, meta["fold"], meta["seed"], row.label]


def _csv(columns: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return buffer.getvalue()
