"""Uncertainty of a pooled score: subject-cluster bootstrap, stratified by dataset (specs/peers.md §3.5).

A draw resamples whole persons with replacement, as many per dataset as there are, and pools their confusion
matrices. With several seeds it also resamples the seeds, and its statistic is their mean score on the same persons,
so that the interval covers both what other people and what other seeds would have changed. With one seed it covers
people only. The interval is the percentile interval. Two experiments are compared on the same clips with the same
persons in each draw; their seeds have nothing to do with each other and are drawn apart.

Arguments. `truth` (N,) int labels; `predictions` (S, N) int labels, one row per seed, (N,) being taken as one seed;
`groups` and `datasets` (N,) person and dataset of each clip; `n_classes` C; `draws` of the bootstrap, at least 100, and
the `seed` of the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.metrics.recognition import STATISTICS, grouped_confusion

DEFAULT_DRAWS = 2000
LEVEL = 0.95


def subject_matrices(
    truth: np.ndarray, predictions: np.ndarray, groups: Sequence[str] | np.ndarray, n_classes: int
) -> np.ndarray:
    """Return (G, S, C, C) int64: a confusion matrix for each of the G sorted persons and S seeds.

    Raises:
        ModelError: as `mer.metrics.recognition.grouped_confusion`.
    """
    rows = np.atleast_2d(predictions)
    return np.stack([grouped_confusion(truth, row, groups, n_classes)[1] for row in rows], axis=1)


def group_strata(groups: Sequence[str] | np.ndarray, datasets: Sequence[str] | np.ndarray) -> list[str]:
    """Return the stratum of each sorted person: the dataset, or the sorted datasets joined by '+'."""
    datasets_of: dict[str, set[str]] = {}
    for group, dataset in zip(groups, datasets, strict=True):
        datasets_of.setdefault(str(group), set()).add(str(dataset))
    return ["+".join(sorted(datasets_of[group])) for group in sorted(datasets_of)]


def draw_weights(strata: Sequence[str], draws: int, seed: int) -> np.ndarray:
    """Return (draws, G) int64: how often each person occurs in each draw; every stratum keeps its size."""
    names = np.asarray(strata)
    weights = np.zeros((draws, len(names)), np.int64)
    for stratum in np.unique(names):
        members = np.flatnonzero(names == stratum)
        rng = np.random.default_rng(derive_seed(seed, "bootstrap", stratum))
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=draws)
    return weights


def seed_weights(n_seeds: int, draws: int, seed: int, which: int = 0) -> np.ndarray:
    """Return (draws, S) float64: the share of each of `n_seeds` seeds in each draw; rows sum to 1.

    `which` tells the experiments of one comparison apart.
    """
    rng = np.random.default_rng(derive_seed(seed, "bootstrap seeds", which))
    return rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=draws) / n_seeds


def pooled_draws(weights: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Return (D, S, C, C) float64 pooled confusion matrices of (G, S, C, C) `matrices` under (D, G) `weights`."""
    flat = matrices.reshape(len(matrices), -1)
    # In float64 so that BLAS does the product; counts stay far below 2**53.
    return (weights.astype(float) @ flat.astype(float)).reshape(len(weights), *matrices.shape[1:])


def _statistics(weights: np.ndarray, matrices: np.ndarray, seeds: np.ndarray | None = None) -> dict[str, np.ndarray]:
    pooled = pooled_draws(weights, matrices)
    share = np.full(pooled.shape[1], 1 / pooled.shape[1]) if seeds is None else seeds
    return {name: (score(pooled) * share).sum(axis=-1) for name, score in STATISTICS.items()}


def estimate(value: float, drawn: np.ndarray) -> dict[str, float]:
    """Return `value`, and as `low` and `high` the central 95 % range of the (D,) drawn ones."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}


def interval(
    truth: np.ndarray,
    predictions: np.ndarray,
    groups: Sequence[str],
    datasets: Sequence[str],
    n_classes: int,
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Return estimate (mean over seeds) and 95 % interval of the pooled UF1, UAR and accuracy.

    Returns:
        `{statistic: {"value", "low", "high"}}`.

    Raises:
        ModelError: fewer than 100 draws, or labels that `validate` refuses.
    """
    weights, (matrices,) = _prepare(truth, [predictions], groups, datasets, n_classes, draws, seed)
    point = _statistics(np.ones((1, len(matrices))), matrices)
    drawn = _statistics(weights, matrices, seed_weights(matrices.shape[1], draws, seed))
    return {name: estimate(point[name][0], drawn[name]) for name in STATISTICS}


def paired_difference(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence[str],
    datasets: Sequence[str],
    n_classes: int,
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Return the difference first - second on the same clips and the same draws; arguments as `interval`.

    `first` and `second` may have different numbers of seeds.

    Returns:
        `{statistic: {"value", "low", "high", "distinguishable"}}`; `distinguishable` when the interval excludes 0.
    """
    weights, pair = _prepare(truth, [first, second], groups, datasets, n_classes, draws, seed)
    ones = np.ones((1, len(pair[0])))
    points = [_statistics(ones, matrices) for matrices in pair]
    shares = [seed_weights(matrices.shape[1], draws, seed, which) for which, matrices in enumerate(pair)]
    drawn = [_statistics(weights, matrices, share) for matrices, share in zip(pair, shares, strict=True)]
    result: dict[str, dict[str, Any]] = {}
    for name in STATISTICS:
        told = estimate(points[0][name][0] - points[1][name][0], drawn[0][name] - drawn[1][name])
        result[name] = {**told, "distinguishable": told["low"] > 0 or told["high"] < 0}
    return result


def _prepare(
    truth: np.ndarray,
    predictions: Sequence[np.ndarray],
    groups: Sequence[str],
    datasets: Sequence[str],
    n_classes: int,
    draws: int,
    seed: int,
) -> tuple[np.ndarray, list[np.ndarray]]:
    if draws < 100:
        raise ModelError("bootstrap", f"{draws} draws", "at least 100 for a 95 % interval")
    matrices = [subject_matrices(truth, rows, groups, n_classes) for rows in predictions]
    return draw_weights(group_strata(groups, datasets), draws, seed), matrices
