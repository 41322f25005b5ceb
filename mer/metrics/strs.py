"""Spot, then recognise: one score for both (specs/mean-softnet.md §9.3, §9.4).

Recognition is judged on the spotted true positives only: the class of a predicted interval against that of the true
interval that it is paired with. A true class outside the class set (*others*) counts for spotting, not for recognition.

- **precision_analysis, recall_analysis** means over the classes that occur among truth or prediction, 0 where
  undefined; **uar** is the same mean of recall (the public scorer prints precision under that name, specs/peers.md
  §3.1).
- **f1_analysis** 2PR / (P + R) of those means; **uf1** the mean F1 over the classes.
- **strs** spotting F1 times f1_analysis, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mer.metrics.spotting import Counts


def analysis(truth: Sequence[str], prediction: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """Score the classes of paired intervals.

    Args:
        truth: class of each paired true interval.
        prediction: class of the predicted interval paired with it.
        classes: the class set; pairs whose true class is outside are left out, a predicted class outside is simply
            wrong.

    Returns:
        `precision_analysis`, `recall_analysis`, `f1_analysis`, `uf1`, `uar`, `accuracy` in [0, 1]; `n_analysis`, and
        `tp_analysis`, `fp_analysis`, `fn_analysis` summed over the classes. All 0 without a pair.
    """
    names = {name: k for k, name in enumerate(classes)}
    n = len(names)
    matrix = np.zeros((n, n + 1), np.int64)
    for true, guess in zip(truth, prediction, strict=True):
        if true in names:
            matrix[names[true], names.get(guess, n)] += 1
    return _scores(matrix[:, :n], matrix.sum(axis=1))


def _scores(matrix: np.ndarray, support: np.ndarray) -> dict[str, Any]:
    # A prediction outside the class set is a miss of the true class and a false alarm of none of the others.
    hits, guessed = np.diagonal(matrix), matrix.sum(axis=0)
    seen = (support > 0) | (guessed > 0)
    n = int(support.sum())
    values = dict.fromkeys(("precision_analysis", "recall_analysis", "f1_analysis", "uf1", "uar", "accuracy"), 0.0)
    if n:
        with np.errstate(invalid="ignore", divide="ignore"):
            p = np.nan_to_num(hits / guessed)[seen].mean()
            r = np.nan_to_num(hits / support)[seen].mean()
            each = np.nan_to_num(2 * hits / (support + guessed))[seen].mean()
        both = float(2 * p * r / (p + r)) if p + r else 0.0
        values = dict(
            zip(values, (float(p), float(r), both, float(each), float(r), float(hits.sum() / n)), strict=True)
        )
    right = int(hits.sum())
    return {
        **values,
        "n_analysis": n,
        "tp_analysis": right,
        "fp_analysis": int(guessed.sum()) - right,
        "fn_analysis": n - right,
    }


def strs(spotting: Counts, recognition: dict[str, Any]) -> float:
    """Return spotting F1 times analysis F1."""
    return float(spotting.f1 * recognition["f1_analysis"])
