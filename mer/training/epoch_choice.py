"""The number of epochs, chosen on persons of the training part; the held-out subjects take no part in it.

The training part is split by person. On each inner training part the model is trained for growing numbers of epochs,
every one continuing where the last ended, and the pooled UF1 on the inner test parts picks one: the highest, the
fewest epochs among equals. The fold is then trained on its whole training part for as many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.metrics.recognition import confusion, uf1
from mer.models.grouping import deal_groups
from mer.training.recipe import Inner

#: One inner training part: continues to a number of epochs, never fewer than before, and predicts its test part (N,).
Attempt = Callable[[int], np.ndarray]


def splits(groups: np.ndarray, labels: np.ndarray, inner: Inner, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (training, test) indices of every inner split; no person is on both sides.

    A split whose training part has one class only is left out.

    Args:
        groups: (N,) str, the person of each clip.
        labels: (N,) int.
        inner: how many folds, or which share.
        seed: of the dealing of persons.

    Raises:
        ModelError: fewer than two persons, or no split from whose training part two classes can be told apart.
    """
    persons = len(set(groups.tolist()))
    wanted = inner.folds or round(1 / (inner.share or 1))
    if persons < 2:
        raise ModelError("inner validation", "one training subject", "at least two", "leave out `inner`")
    parts = deal_groups(groups, min(wanted, persons), derive_seed(seed, "inner epochs"))
    of_clip = np.array([parts[str(group)] for group in groups])
    numbers = range(min(wanted, persons)) if inner.folds else [0]
    pairs = [(np.flatnonzero(of_clip != k), np.flatnonzero(of_clip == k)) for k in numbers]
    kept = [(train, test) for train, test in pairs if len(set(labels[train].tolist())) > 1]
    if not kept:
        found = "no inner training part has two classes"
        raise ModelError("inner validation", found, "clips of two classes from several subjects", "leave out `inner`")
    return kept


def tried(budget: int, steps: int) -> list[int]:
    """Return up to `steps` different numbers of epochs, evenly spaced, the last of them `budget`."""
    return sorted({max(1, round(budget * (k + 1) / steps)) for k in range(steps)})


def choose(
    attempts: Sequence[Attempt],
    truths: Sequence[np.ndarray],
    n_classes: int,
    budget: int,
    inner: Inner,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Return the number of epochs with the best pooled UF1 over the inner test parts.

    Args:
        attempts: one per split.
        truths: (N,) int labels of each inner test part.
        n_classes: C.
        budget: largest number of epochs.
        inner: how many numbers are tried, and the patience.
        log: takes one line per number of epochs.

    Returns:
        as JSON holds it: `epochs`, and `curve`, the number and the inner score of every one that was tried, in order.
    """
    truth = np.concatenate(list(truths))
    curve: list[list[float]] = []
    best = (-1.0, 0)
    for epochs in tried(budget, inner.steps):
        guesses = np.concatenate([attempt(epochs) for attempt in attempts])
        score = float(uf1(confusion(truth, guesses, n_classes)))
        curve.append([epochs, score])
        log(f"inner subjects: UF1 {score:.4f} after {epochs} epochs")
        if score > best[0]:
            best = (score, epochs)
        elif inner.patience is not None and epochs - best[1] >= inner.patience:
            break
    log(f"inner subjects chose {best[1]} of {budget} epochs")
    return {"epochs": best[1], "curve": curve}
