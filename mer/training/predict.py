"""Predicting one fold: the held-out clips are read once, by a checkpoint that did not see their persons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.csvfile import write_csv
from mer.training.checkpoint import load_checkpoint
from mer.training.experiment import Experiment
from mer.training.fold_tables import EXCLUDED_COLUMNS, PREDICTION_COLUMNS, Row, read_table
from mer.training.gather import Gathered, features_for, gather
from mer.training.products import Containers
from mer.training.separation import require_same_products, require_trained_as, require_unseen


def predict_fold(
    experiment: Experiment,
    fold: str,
    checkpoint: str | Path,
    test_table: str | Path,
    containers: Containers,
    outs: Sequence[str | Path],
    log: Callable[[str], None] = print,
) -> None:
    """Write `predictions.csv` and `excluded.csv` of one fold; every clip of the table is in exactly one of them.

    Arguments are those of a task (`mer.training.task`); `outs` are predictions, and clips without one, as CSV.
    Predictions have `PREDICTION_COLUMNS` and `score_<class>` for each class; `prediction` is the class with the
    largest score (ties: the first). Exclusions have `EXCLUDED_COLUMNS`.

    Raises:
        ModelError: the checkpoint is of another model, preset, recipe, fold or seed, was trained on a person of the
            table, or on inputs made with other parameters.
        ContainerError, StorageError: as `gather` and `mer.core.atomic.write_text`.
    """
    state, meta = load_checkpoint(checkpoint)
    data = held_out_clips(experiment, fold, checkpoint, meta, test_table, containers)
    if refused := str((meta.get("weights") or {}).get("refused", "")):
        # The only weights there are have learned from these persons.
        lost = [(row, refused) for row in data.rows]
        data = dataclasses.replace(data, rows=[], excluded=sorted([*data.excluded, *lost], key=lambda one: one[0].key))
    classes: list[str] = meta["classes"]
    scores = np.zeros((0, len(classes)))
    if data.rows:
        scores = experiment.card.predict(state, features_for(experiment.card, data.features), experiment.device)
    best = scores.argmax(axis=1)
    lines = [
        [*head(row, meta), classes[best[i]], *(format(score, ".9g") for score in scores[i])]
        for i, row in enumerate(data.rows)
    ]
    write_csv(outs[1], EXCLUDED_COLUMNS, [[*head(row, meta), reason] for row, reason in data.excluded])
    write_csv(outs[0], [*PREDICTION_COLUMNS, *(f"score_{name}" for name in classes)], lines)
    log(f"predicted {len(data.rows)} clips of fold {fold}, {len(data.excluded)} left out")


def held_out_clips(
    experiment: Experiment,
    fold: str,
    checkpoint: str | Path,
    meta: dict[str, Any],
    test_table: str | Path,
    containers: Containers,
) -> Gathered:
    """Check that a checkpoint is the one wanted and has not seen the table's persons; read the clips."""
    require_trained_as(
        meta,
        checkpoint,
        model=experiment.model,
        preset=experiment.preset,
        fold=fold,
        seed=experiment.seed,
        # Through JSON, as the checkpoint's: a tuple comes back as a list.
        settings=experiment.settings.model_dump(mode="json"),
    )
    rows = read_table(test_table)
    require_unseen((row.group for row in rows), meta, checkpoint, test_table)
    given = rows, containers, experiment.card, experiment.settings
    data = gather(*given, allow_empty=True, device=experiment.device, chains=experiment.chains)
    require_same_products(data.inputs, meta["inputs"], "run that stage again")
    return data


def head(row: Row, meta: dict[str, Any]) -> list[object]:
    """Return the first cells of a line of predictions, as in `PREDICTION_COLUMNS`."""
    return [row.sample_id, row.dataset, row.subject, row.group, meta["fold"], meta["seed"], row.label]
