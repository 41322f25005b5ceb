"""Choosing one number of a model on persons of the training part: by inner folds, and pooled macro F1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mer.models.grouping import deal_groups


def choose(
    values: Sequence[float],
    y: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
    folds: int,
    seed: int,
    answers: Callable[[float, np.ndarray], np.ndarray],
) -> tuple[float, dict[str, float]]:
    """Return the best value (ties: the smallest) and the macro F1 of each; the middle of them with one person only.

    Args:
        values: to choose from.
        y: (N,) int64 labels.
        groups: (N,) person of each clip.
        n_classes: C.
        folds: of persons, dealt by `seed`.
        seed: of the dealing.
        answers: `answers(value, held)`: the classes (n,) of the clips where `held` (N,) bool is true, after training on
            the others.
    """
    from sklearn.metrics import f1_score

    k = min(folds, len(np.unique(groups)))
    if k < 2 or len(values) == 1:
        return sorted(values)[len(values) // 2], {}
    parts = deal_groups(groups, k, seed)
    part = np.array([parts[str(group)] for group in groups])
    scores = {}
    for value in sorted(values):
        guess = np.empty_like(y)
        for held in range(k):
            guess[part == held] = answers(value, part == held)
        scores[value] = float(f1_score(y, guess, labels=range(n_classes), average="macro", zero_division=0))
    return max(scores, key=lambda value: (scores[value], -value)), {str(value): s for value, s in scores.items()}


def told(scores: dict[str, float]) -> str:
    """Return why a value was chosen, for a log."""
    return f"inner macro F1 {scores}" if scores else "no inner split: one person or one value"
