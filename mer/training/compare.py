"""Two experiments against each other, on the clips that both scored: the one place where scores are compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.metrics import bootstrap
from mer.training.predictions import Predictions


def compare(first: Predictions, second: Predictions, draws: int = bootstrap.DRAWS, seed: int = 0) -> dict[str, Any]:
    """Compare two experiments on the clips that both scored: first minus second, with the paired interval.

    Args:
        first: predictions of one experiment.
        second: of the other; it may have other seeds, and more or fewer.
        draws: of the subject bootstrap.
        seed: of the draws.

    Returns:
        `n_clips`, `only_first`, `only_second` (clips left aside), and per statistic `value`, `low`, `high`,
        `distinguishable` (`mer.metrics.bootstrap.paired_difference`).

    Raises:
        ModelError: different class sets, different true labels, or no clip in common.
    """
    if first.classes != second.classes:
        found = f"classes {', '.join(first.classes)} and {', '.join(second.classes)}"
        raise ModelError("comparison", found, "the same classes in both", "compare like with like")
    shared = set(first.keys) & set(second.keys)
    if not shared:
        raise ModelError("comparison", "no clip in common", "two experiments on the same clips")
    a, b = first.restricted(shared), second.restricted(shared)
    if not np.array_equal(a.truth, b.truth) or a.groups != b.groups:
        raise ModelError("comparison", "the same clips have other labels or subjects", "the same labels in both")
    result = bootstrap.paired_difference(
        a.truth, a.predicted, b.predicted, a.groups, a.datasets, len(a.classes), draws=draws, seed=seed
    )
    counts = {"n_clips": len(shared), "only_first": len(first.keys) - len(shared)}
    return {**counts, "only_second": len(second.keys) - len(shared), **result}
