"""The collapse monitor: do the networks of a run still tell classes apart (specs/dual-branch.md §9, D22)?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer.metrics.recognition import classes_used
from mer.training.checkpoint import read_metadata
from mer.training.fit import COLLAPSED
from mer.training.predictions import Predictions


def held_out_use(data: Predictions) -> dict[str, float]:
    """Return, for each seed, how many classes the predictions of the held-out clips use (1 to C)."""
    n = len(data.classes)
    return {
        str(seed): float(classes_used(np.bincount(row, minlength=n)))
        for seed, row in zip(data.seeds, data.predicted, strict=True)
    }


def training_use(models: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Return what each network said of its own training clips after the last epoch.

    Args:
        models: checkpoints of every fold and seed.

    Returns:
        one entry per checkpoint that tells, sorted by seed and fold: `seed`, `fold`, `classes_used` (None where its
        model does not count them) and `training_accuracy`; machines without these numbers have no entry.
    """
    entries = []
    for path in models:
        meta = read_metadata(path)
        told = meta.get("state") or {}
        used, right = told.get("classes_used"), told.get("training_accuracy")
        if used is not None or right is not None:
            entries.append(
                {"seed": meta["seed"], "fold": meta["fold"], "classes_used": used, "training_accuracy": right}
            )
    return sorted(entries, key=lambda entry: (entry["seed"], entry["fold"]))


def monitor(data: Predictions, models: Sequence[str | Path]) -> dict[str, Any]:
    """Return `held_out` (`held_out_use`), `training` (`training_use`) and `collapsed`, the number of such networks."""
    training = training_use(models)
    collapsed = sum(e["classes_used"] is not None and e["classes_used"] < COLLAPSED for e in training)
    return {"held_out": held_out_use(data), "training": training, "collapsed": collapsed, "threshold": COLLAPSED}
