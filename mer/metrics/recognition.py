"""Scores of recognition: pooled over folds, on a class set that never changes (specs/dual-branch.md §6.5).

Conventions. Labels are integers 0 … C-1 of a class set fixed before anything is scored; C is passed, never
inferred from the labels. A confusion matrix is (..., C, C) int64 with rows = truth, columns = prediction.
Leading axes (subjects, seeds, bootstrap draws) pass through every function. Scores are in [0, 1].

- **UF1** mean over the C classes of 2TP / (2TP + FP + FN); 0 for a class with neither truth nor prediction.
- **UAR** mean over the C classes of recall; 0 for a class without truth. Not precision: the two were swapped in
  print for one widely copied result (specs/peers.md §3.1).
- **accuracy** share of clips that are right.
- **per dataset** the same pooled predictions restricted to the dataset, on the same class set (MEGC2019).
- **mean of folds** what several public codes print instead: macro F1 of each fold, averaged. Named, never UF1.
- **source scores** the per-subject score of specs/dual-branch.md §6.2, whose class set depends on the labels seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from mer.core.errors import ModelError

EPSILON = 1e-7


def validate(truth: np.ndarray, prediction: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `truth` and `prediction` as (N,) int64 arrays of labels in [0, n_classes).

    Raises:
        ModelError: empty, not one-dimensional, of different lengths, not whole numbers, or outside the class set.
    """
    if n_classes < 2:
        raise ModelError("classes", f"{n_classes} class", "at least 2")
    pair = (np.asarray(truth), np.asarray(prediction))
    for name, labels in zip(("truth", "prediction"), pair, strict=True):
        if labels.ndim != 1 or labels.size == 0:
            raise ModelError(name, f"labels of shape {labels.shape}", "one label per clip, at least one clip")
        if labels.dtype.kind not in "iu":
            raise ModelError(name, f"labels of type {labels.dtype}", f"integers from 0 to {n_classes - 1}")
        if labels.min() < 0 or labels.max() >= n_classes:
            found = f"label {int(labels.min() if labels.min() < 0 else labels.max())}"
            raise ModelError(name, found, f"labels from 0 to {n_classes - 1}")
    if len(pair[0]) != len(pair[1]):
        raise ModelError("prediction", f"{len(pair[1])} labels for {len(pair[0])} clips", "one per clip")
    return pair[0].astype(np.int64), pair[1].astype(np.int64)


def confusion(truth: np.ndarray, prediction: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the (C, C) int64 confusion matrix, rows = truth; raises as `validate`."""
    truth, prediction = validate(truth, prediction, n_classes)
    return np.bincount(truth * n_classes + prediction, minlength=n_classes**2).reshape(n_classes, n_classes)


def grouped_confusion(
    truth: np.ndarray, prediction: np.ndarray, groups: Sequence[str] | np.ndarray, n_classes: int
) -> tuple[list[str], np.ndarray]:
    """Return the sorted distinct `groups` (G) and one confusion matrix each, (G, C, C) int64.

    Raises:
        ModelError: as `validate`, or `groups` does not have one entry per clip.
    """
    truth, prediction = validate(truth, prediction, n_classes)
    if len(groups) != len(truth):
        raise ModelError("groups", f"{len(groups)} groups for {len(truth)} clips", "one per clip")
    names, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    cells = (codes * n_classes + truth) * n_classes + prediction
    counts = np.bincount(cells, minlength=len(names) * n_classes**2)
    return names.tolist(), counts.reshape(len(names), n_classes, n_classes)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    result = np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape))
    return np.divide(numerator, denominator, out=result, where=denominator > 0)


def _hits(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def precision(matrix: np.ndarray) -> np.ndarray:
    """Return TP / (TP + FP) per class, (..., C) float64; 0 for a class never predicted."""
    return _ratio(_hits(matrix), matrix.sum(axis=-2))


def recall(matrix: np.ndarray) -> np.ndarray:
    """Return TP / (TP + FN) per class, (..., C) float64; 0 for a class without truth."""
    return _ratio(_hits(matrix), matrix.sum(axis=-1))


def f1(matrix: np.ndarray) -> np.ndarray:
    """Return 2TP / (2TP + FP + FN) per class, (..., C) float64; 0 for a class neither true nor predicted."""
    return _ratio(2.0 * _hits(matrix), matrix.sum(axis=-1) + matrix.sum(axis=-2))


def uf1(matrix: np.ndarray) -> np.ndarray:
    """Return the unweighted mean F1 over all C classes, (...) float64."""
    return f1(matrix).mean(axis=-1)


def uar(matrix: np.ndarray) -> np.ndarray:
    """Return the unweighted mean recall over all C classes, (...) float64."""
    return recall(matrix).mean(axis=-1)


def accuracy(matrix: np.ndarray) -> np.ndarray:
    """Return the share of clips on the diagonal, (...) float64; 0 for an empty matrix."""
    return _ratio(_hits(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))


#: What every table shows of a pooled matrix, by name.
STATISTICS = {"uf1": uf1, "uar": uar, "accuracy": accuracy}


def classes_used(counts: np.ndarray) -> np.ndarray:
    """Return how many classes (..., C) counts of predictions use: the exponential of their entropy, (...) float64.

    1 where one class is always named, C where all are named equally often (specs/dual-branch.md §9, D22).
    """
    share = _ratio(counts, counts.sum(axis=-1, keepdims=True))
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return np.exp(-(share * logs).sum(axis=-1))


def mean_of_folds(matrices: np.ndarray, classes: Literal["present", "all"]) -> dict[str, float]:
    """Average each fold's macro F1 and macro recall over folds, unweighted: not UF1, not UAR.

    Args:
        matrices: (F, C, C) one confusion matrix per fold, each with at least one clip.
        classes: `present` averages a fold over the classes among its true labels, `all` over all C classes, so
            that a fold of one class cannot exceed 1 / C.

    Returns:
        `f1` and `recall`, each in [0, 1].
    """
    mask = matrices.sum(axis=-1) > 0 if classes == "present" else np.ones(matrices.shape[:-1], bool)
    return {
        name: float(((per_class * mask).sum(axis=-1) / mask.sum(axis=-1)).mean())
        for name, per_class in (("f1", f1(matrices)), ("recall", recall(matrices)))
    }


def source_scores(matrices: np.ndarray) -> np.ndarray:
    """Score confusion matrices by the rule of specs/dual-branch.md §6.2.

    The class set is 0 … the largest label among truth and prediction. With every clip right UF1 = UAR = 1.
    Else recall is 0 for a class without truth, precision is 1e-7 for one never predicted,
    F1 = 2PR / (P + R + 1e-7), and both means run over that class set.

    Args:
        matrices: (..., C, C), each with at least one clip.

    Returns:
        (..., 3) float64: UF1, UAR, accuracy.
    """
    predicted = matrices.sum(axis=-2)
    seen = (matrices.sum(axis=-1) + predicted) > 0
    size = matrices.shape[-1] - np.argmax(seen[..., ::-1], axis=-1)
    p = np.where(predicted > 0, precision(matrices), EPSILON)
    r = recall(matrices)
    right = accuracy(matrices)
    # Classes above the largest seen have r = 0, so they add nothing to either sum.
    scores = [(2 * p * r / (p + r + EPSILON)).sum(axis=-1) / size, r.sum(axis=-1) / size]
    return np.stack([np.where(right == 1.0, 1.0, s) for s in scores] + [right], axis=-1)


def summary(matrix: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Return every score of one (C, C) confusion matrix by name, with the matrix itself."""
    support = matrix.sum(axis=-1)
    columns = (precision(matrix), recall(matrix), f1(matrix))
    return {
        "uf1": float(uf1(matrix)),
        "uar": float(uar(matrix)),
        "accuracy": float(accuracy(matrix)),
        "mean_precision": float(precision(matrix).mean()),
        "n": int(matrix.sum()),
        "predicted": {name: int(n) for name, n in zip(classes, matrix.sum(axis=-2), strict=True)},
        "per_class": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in zip(classes, *columns, support, strict=True)
        },
        "confusion": matrix.astype(int).tolist(),
    }


def evaluate(
    truth: np.ndarray,
    prediction: np.ndarray,
    classes: Sequence[str],
    datasets: Sequence[str],
    groups: Sequence[str],
    folds: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Score pooled predictions in every way that this module knows.

    Args:
        truth: (N,) int labels, indices into `classes`.
        prediction: (N,) int labels.
        classes: the fixed class set, C names.
        datasets: (N,) dataset of each clip.
        groups: (N,) person of each clip.
        folds: (N,) fold of each clip; `groups` when None.

    Returns:
        `pooled`, `per_dataset` and `per_subject` (`summary` of each), `mean_of_folds` (`present`, `all`) and
        `source` (mean over subjects of `source_scores`).

    Raises:
        ModelError: as `validate` and `grouped_confusion`.
    """
    n = len(classes)
    by_dataset = grouped_confusion(truth, prediction, datasets, n)
    by_group = grouped_confusion(truth, prediction, groups, n)
    fold_matrices = grouped_confusion(truth, prediction, groups if folds is None else folds, n)[1]
    source = source_scores(by_group[1]).mean(axis=0)
    return {
        "pooled": summary(confusion(truth, prediction, n), classes),
        "per_dataset": {name: summary(m, classes) for name, m in zip(*by_dataset, strict=True)},
        "per_subject": {name: summary(m, classes) for name, m in zip(*by_group, strict=True)},
        "mean_of_folds": {
            "present": mean_of_folds(fold_matrices, "present"),
            "all": mean_of_folds(fold_matrices, "all"),
        },
        "source": dict(zip(STATISTICS, map(float, source), strict=True)),
    }
