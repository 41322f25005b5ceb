"""What labels without information reach, on the very clips and subjects being scored.

Every reference keeps the true labels and the subject structure and replaces only the predictions:

- **uniform** every class equally likely, clip by clip;
- **prior** drawn by the class frequencies of the true labels;
- **permuted** the true labels in random order;
- **majority** always the most frequent class (ties: the lowest index);
- **own predictions** the predictions as they are, against the true labels in random order within each database: how
  often each class is named stays, and so does what naming depends on the database. The band of a permuted-label run;
- **oracle epoch** the rule that many public codes used: each subject keeps its best epoch, chosen on its own labels
  (specs/dual-branch.md §6.2-6.4, specs/peers.md §2.3). Random labels reach .75 to .94 under it.

Arguments. `truth` (N,) int labels; `n_classes` C; `groups` (N,) person of each clip; `draws` simulated experiments, or
random orders, and the `seed` of the simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.metrics.bootstrap import DEFAULT_DRAWS
from mer.metrics.recognition import STATISTICS, confusion, source_scores, uar, uf1, validate

Sampler = Literal["uniform", "prior", "permuted"]
SAMPLERS: tuple[Sampler, ...] = ("uniform", "prior", "permuted")


def draw_labels(truth: np.ndarray, n_classes: int, sampler: Sampler, draws: int, seed: int) -> np.ndarray:
    """Return (draws, N) int64 labels that know nothing of the clips; see the module for the samplers."""
    rng = np.random.default_rng(derive_seed(seed, "chance", sampler))
    if sampler == "permuted":
        return rng.permuted(np.tile(truth, (draws, 1)), axis=1)
    counts = np.bincount(truth, minlength=n_classes) if sampler == "prior" else np.ones(n_classes)
    return rng.choice(n_classes, size=(draws, len(truth)), p=counts / counts.sum())


def stacked_confusion(truth: np.ndarray, predictions: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (D, C, C) int64 confusion matrices of (D, N) `predictions` against (N,) `truth`."""
    draws = len(predictions)
    cells = np.arange(draws)[:, None] * n_classes**2 + truth * n_classes + predictions
    return np.bincount(cells.ravel(), minlength=draws * n_classes**2).reshape(draws, n_classes, n_classes)


def random_reference(
    truth: np.ndarray, n_classes: int, sampler: Sampler, draws: int = DEFAULT_DRAWS, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Return mean and central 95 % range of pooled UF1, UAR and accuracy of random labels.

    Returns:
        `{"uf1" | "uar" | "accuracy": {"mean", "low", "high"}}`.
    """
    truth = validate(truth, truth, n_classes)[0]
    matrices = stacked_confusion(truth, draw_labels(truth, n_classes, sampler, draws, seed), n_classes)
    return {name: _band(score(matrices)) for name, score in STATISTICS.items()}


def _band(values: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def majority(truth: np.ndarray, n_classes: int) -> dict[str, float]:
    """Return `label`, `uf1`, `uar` and `accuracy` of always predicting the most frequent class."""
    truth = validate(truth, truth, n_classes)[0]
    label = int(np.bincount(truth, minlength=n_classes).argmax())
    matrix = confusion(truth, np.full_like(truth, label), n_classes)
    return {"label": label, **{name: float(score(matrix)) for name, score in STATISTICS.items()}}


def permutation_band(
    truth: np.ndarray,
    predictions: np.ndarray,
    strata: Sequence[str] | np.ndarray,
    n_classes: int,
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Return what these very predictions reach when the labels are put in random order within each stratum.

    Args:
        predictions: (S, N) int labels, one row per seed; a draw's score is the mean over seeds.
        strata: (N,) database of each clip.

    Returns:
        `{"uf1" | "uar" | "accuracy": {"mean", "low", "high", "p"}}`: mean and central 95 % range over the orders, and
        the share of orders, the observed one counted among them, that score at least what the true order does.
    """
    truth, names = validate(truth, truth, n_classes)[0], np.asarray(strata)
    rng = np.random.default_rng(derive_seed(seed, "chance", "own predictions"))
    orders = np.tile(truth, (draws, 1))
    for name in np.unique(names):
        clips = np.flatnonzero(names == name)
        orders[:, clips] = rng.permuted(orders[:, clips], axis=1)
    rows = np.atleast_2d(predictions)
    # Truth and prediction change places, which transposes the matrices.
    drawn = [np.swapaxes(stacked_confusion(row, orders, n_classes), -1, -2) for row in rows]
    observed = [confusion(truth, row, n_classes) for row in rows]
    result = {}
    for name, score in STATISTICS.items():
        values = np.mean([score(matrices) for matrices in drawn], axis=0)
        reached = float(np.mean([score(matrix) for matrix in observed]))
        # Rounding must not hide an order that scores exactly as much.
        share = (1 + int((values >= reached - 1e-12).sum())) / (1 + draws)
        result[name] = {**_band(values), "p": share}
    return result


def oracle_epoch(
    truth: np.ndarray, predictions: np.ndarray, groups: Sequence[str] | np.ndarray, n_classes: int
) -> dict[str, float]:
    """Score a training run by choosing each subject's best epoch on that subject's own labels: a diagnostic.

    Per subject UF1 is the maximum over epochs, UAR the value at the first epoch of that maximum, accuracy the
    maximum over epochs; subjects are averaged unweighted (specs/dual-branch.md §6.3).

    Args:
        predictions: (E, N) int labels of the held-out clips after each epoch.

    Returns:
        `uf1`, `uar`, `accuracy` by that rule; `pooled_uf1`, `pooled_uar` of the chosen epochs pooled.

    Raises:
        ModelError: `predictions` is not (E, N), or labels that `validate` refuses.
    """
    truth, names = validate(truth, truth, n_classes)[0], np.asarray(groups)
    if predictions.ndim != 2 or predictions.shape[1] != len(truth) or len(names) != len(truth):
        raise ModelError("oracle epoch", f"predictions of shape {predictions.shape}", f"(epochs, {len(truth)})")
    per_subject, pooled = [], np.zeros((n_classes, n_classes), np.int64)
    for name in np.unique(names):
        clips = names == name
        matrices = stacked_confusion(truth[clips], predictions[:, clips], n_classes)
        scores = source_scores(matrices)
        best = int(scores[:, 0].argmax())
        per_subject.append([scores[best, 0], scores[best, 1], scores[:, 2].max()])
        pooled += matrices[best]
    means = np.mean(per_subject, axis=0)
    result = dict(zip(STATISTICS, map(float, means), strict=True))
    return result | {"pooled_uf1": float(uf1(pooled)), "pooled_uar": float(uar(pooled))}


def oracle_reference(
    truth: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    n_classes: int,
    epochs: int,
    sampler: Sampler = "uniform",
    repeats: int = 20,
    seed: int = 0,
) -> dict[str, float]:
    """Return the mean over `repeats` of `oracle_epoch` for labels drawn anew in each of `epochs` epochs.

    Real epochs are correlated, so a run of E epochs behaves like fewer independent draws: an upper bound.
    """
    truth = validate(truth, truth, n_classes)[0]
    runs = [
        oracle_epoch(
            truth, draw_labels(truth, n_classes, sampler, epochs, derive_seed(seed, repeat)), groups, n_classes
        )
        for repeat in range(repeats)
    ]
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
