"""The averages of CD6ME over action units and databases (specs/peers.md §1.2, specs/datasets.md §12.2).

Each unit is a problem of its own, absent or present, on the same clips. Published tables print two averages: over
units of the F1 of all held-out clips together, and over databases of a database's mean over units. `binary` is F1 of
*present*, 0 where a unit neither occurs nor is predicted; `macro` averages the F1 of the classes that are seen, as the
published code does, so that a database without a unit, and without a false alarm, scores 1 for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.metrics.bootstrap import (
    DEFAULT_DRAWS,
    draw_weights,
    estimate,
    group_strata,
    pooled_draws,
    seed_weights,
    subject_matrices,
)
from mer.metrics.recognition import f1

KINDS = ("binary", "macro")
PRESENT = 1


def binary_macro(matrices: np.ndarray) -> np.ndarray:
    """Return (..., 2) float64: binary and macro F1 of (..., 2, 2) confusion matrices, class 1 being *present*."""
    each = f1(matrices)
    seen = (matrices.sum(axis=-1) + matrices.sum(axis=-2)) > 0
    macro = (each * seen).sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
    return np.stack([each[..., PRESENT], macro], axis=-1)


def unit_averages(
    truth: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    groups: Sequence[str],
    datasets: Sequence[str],
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Average the scores of several units on the same clips.

    Args:
        truth: unit -> (N,) int, 1 where it is present.
        predicted: unit -> (S, N) int, one row per seed; units may differ in S.
        groups: (N,) person of each clip.
        datasets: (N,) dataset of each clip.
        draws: of the subject bootstrap, the same persons for every unit; seeds are drawn unit by unit.
        seed: of the draws.

    Returns:
        `units` and `datasets`: `{name: {"present", "binary", "macro"}}`; `average`: `{"units" | "datasets": {"binary" |
        "macro": {"value", "low", "high"}}}`; `all_present`: the same averages, without interval, of naming every unit
        present in every clip.

    Raises:
        ModelError: no unit, different units in `truth` and `predicted`, or labels other than 0 and 1.
    """
    if not truth or set(truth) != set(predicted):
        raise ModelError("units", "truth and predictions of different units, or of none", "the same units in both")
    names, parts = list(truth), sorted(set(datasets))
    weights = draw_weights(group_strata(groups, datasets), draws, seed)
    points, drawn, constant = [], [], []
    for which, name in enumerate(names):
        rows = np.atleast_2d(predicted[name])
        stacks = _stacks(truth[name], rows, groups, datasets, parts)
        share = seed_weights(len(rows), draws, seed, which)
        points.append(_scores(np.ones((1, stacks.shape[1])), stacks, None)[:, 0])
        drawn.append(_scores(weights, stacks, share))
        always = _stacks(truth[name], np.full((1, len(truth[name])), PRESENT), groups, datasets, parts)
        constant.append(_scores(np.ones((1, stacks.shape[1])), always, None)[:, 0])
    point, spread = np.stack(points), np.stack(drawn)
    where = np.asarray(datasets)
    return {
        "units": {name: _entry(point[i, 0], int(truth[name].sum())) for i, name in enumerate(names)},
        "datasets": {
            part: _entry(point[:, 1 + j].mean(axis=0), int(sum(truth[n][where == part].sum() for n in names)))
            for j, part in enumerate(parts)
        },
        "average": {
            kind: _interval(point[:, columns].mean(axis=(0, 1)), spread[:, columns].mean(axis=(0, 1)))
            for kind, columns in (("units", slice(0, 1)), ("datasets", slice(1, None)))
        },
        "all_present": {
            kind: dict(zip(KINDS, map(float, np.stack(constant)[:, columns].mean(axis=(0, 1))), strict=True))
            for kind, columns in (("units", slice(0, 1)), ("datasets", slice(1, None)))
        },
    }


def _stacks(
    truth: np.ndarray, rows: np.ndarray, groups: Sequence[str], datasets: Sequence[str], parts: Sequence[str]
) -> np.ndarray:
    """Return (1 + P, G, S, 2, 2): matrices of each person on all clips, then on those of each dataset."""
    names = np.asarray(groups)
    whole = subject_matrices(truth, rows, groups, 2)
    stacks = np.zeros((1 + len(parts), *whole.shape), whole.dtype)
    stacks[0] = whole
    order = np.unique(names)
    for j, part in enumerate(parts):
        clips = np.flatnonzero(np.asarray(datasets) == part)
        stacks[1 + j, np.searchsorted(order, np.unique(names[clips]))] = subject_matrices(
            truth[clips], rows[:, clips], names[clips], 2
        )
    return stacks


def _scores(weights: np.ndarray, stacks: np.ndarray, share: np.ndarray | None) -> np.ndarray:
    """Return (1 + P, D, 2) binary and macro F1, averaged over seeds."""
    averages = []
    for stack in stacks:
        scores = binary_macro(pooled_draws(weights, stack))
        shares = np.full(scores.shape[:2], 1 / scores.shape[1]) if share is None else share
        averages.append((scores * shares[..., None]).sum(axis=1))
    return np.stack(averages)


def _entry(scores: np.ndarray, present: int) -> dict[str, float]:
    return {"present": present, **dict(zip(KINDS, map(float, scores), strict=True))}


def _interval(point: np.ndarray, spread: np.ndarray) -> dict[str, dict[str, float]]:
    return {kind: estimate(point[k], spread[:, k]) for k, kind in enumerate(KINDS)}
