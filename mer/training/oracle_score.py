"""What choosing the epoch on the held-out subject would have claimed: a diagnostic beside the honest score.

Many public codes score the held-out subject after every epoch and keep its best one (specs/peers.md §2.3,
specs/dual-branch.md §6.2-6.4). To say what that rule is worth here, a job of its own trains a fold once more with the
same seed and keeps the weights of some epochs (`mer.training.oracle_epochs`). They meet the held-out clips only in the
predict job of the diagnostic, whose result no model sees and no score but this one reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.csvfile import read_csv
from mer.core.errors import ModelError
from mer.metrics import chance
from mer.metrics.recognition import confusion, uar, uf1
from mer.training.fold_tables import EPOCH_COLUMNS
from mer.training.predictions import Predictions

RULE = ("uf1", "uar", "accuracy", "pooled_uf1", "pooled_uar")


def read_epochs(paths: Sequence[str | Path], data: Predictions) -> tuple[list[int], np.ndarray]:
    """Read the tables of the diagnostic's predict jobs.

    Args:
        paths: of every fold and seed.
        data: the experiment's own predictions: which clips and seeds there must be.

    Returns:
        the epochs (E), ascending, and (S, E, N) int64 labels of the clips of `data`.

    Raises:
        ModelError: a clip, seed or epoch is missing or double, or a class or label differs.
    """
    codes = {name: code for code, name in enumerate(data.classes)}
    place, seeds = {key: i for i, key in enumerate(data.keys)}, {seed: i for i, seed in enumerate(data.seeds)}
    rows = [(path, row) for path in sorted(map(str, paths)) for row in read_csv(path, EPOCH_COLUMNS)]
    epochs = sorted({int(row["epoch"]) for _, row in rows})
    order = {epoch: i for i, epoch in enumerate(epochs)}
    labels = np.full((len(data.seeds), len(epochs), len(data.keys)), -1, np.int64)
    for path, row in rows:
        key, seed = (row["dataset"], row["sample_id"]), int(row["seed"])
        if key not in place or seed not in seeds or row["prediction"] not in codes:
            raise ModelError(path, f"clip {key[1]}, seed {seed}, {row['prediction']}", "the experiment's own clips")
        cell = seeds[seed], order[int(row["epoch"])], place[key]
        if labels[cell] >= 0 or row["label"] != data.classes[data.truth[place[key]]]:
            raise ModelError(path, f"clip {key[1]} occurs twice, or is {row['label']}", "every clip once, as scored")
        labels[cell] = codes[row["prediction"]]
    if not epochs or (labels < 0).any():
        raise ModelError("diagnostic", "not every clip has every epoch and seed", "a whole run", "run it again")
    return epochs, labels


def diagnose(data: Predictions, epochs: Sequence[int], predicted: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Score the run by the rule of the public codes, beside what random labels get under it on the same folds.

    Args:
        data: the experiment's own predictions.
        epochs: (E) kept epochs.
        predicted: (S, E, N) int labels after each of them.
        seed: of the simulation.

    Returns:
        `epochs`; `claimed`, mean over seeds of `mer.metrics.chance.oracle_epoch` by fold; `one_epoch`, pooled UF1 and
        UAR of the one epoch that is best for all clips, chosen on them; `honest`, pooled UF1 and UAR of the last
        epoch; `random`, the rule on labels drawn anew in each of E epochs (`uniform`, `prior`); `agreement`, the
        share of predictions in which the diagnostic's last epoch repeats the run.
    """
    n = len(data.classes)
    runs = [chance.oracle_epoch(data.truth, rows, data.folds, n) for rows in predicted]
    pooled = [[confusion(data.truth, row, n) for row in rows] for rows in predicted]
    best = [max(matrices, key=lambda matrix: float(uf1(matrix))) for matrices in pooled]
    last = [matrices[-1] for matrices in pooled]
    samplers: tuple[chance.Sampler, ...] = ("uniform", "prior")
    return {
        "epochs": list(epochs),
        "claimed": {name: float(np.mean([run[name] for run in runs])) for name in RULE},
        "one_epoch": {"uf1": float(np.mean([uf1(m) for m in best])), "uar": float(np.mean([uar(m) for m in best]))},
        "honest": {"uf1": float(np.mean([uf1(m) for m in last])), "uar": float(np.mean([uar(m) for m in last]))},
        "random": {
            sampler: chance.oracle_reference(data.truth, data.folds, n, len(epochs), sampler, seed=seed)
            for sampler in samplers
        },
        "agreement": float((predicted[:, -1] == data.predicted).mean()),
    }
