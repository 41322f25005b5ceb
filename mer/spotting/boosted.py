"""Boosted decision trees as plain arrays: what scikit-learn's histogram boosting learned, read without it.

`from_sklearn` takes a `HistGradientBoostingClassifier` apart; `BoostedTrees` needs NumPy only and checks every node, so
that a file from a stranger can lead nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.models.state import State

NAMES = ("feature", "threshold", "left", "right", "value", "start")


@dataclass(frozen=True)
class BoostedTrees:
    """Trees of N nodes in all; `start` (M + 1,) int64 are the first nodes of the M trees, and N.

    Args:
        feature: (N,) int64, what a node looks at; -1 in a leaf.
        threshold: (N,) float64: not larger goes left.
        left, right: (N,) int64, the children's places in their tree.
        value: (N,) float64, what a leaf adds.
        start: see above.
        base: what every sum begins with.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    start: np.ndarray
    base: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the sums (P,) float64, log odds, of features (P, F)."""
        total = np.full(len(x), self.base)
        for first in self.start[:-1].tolist():
            node = np.full(len(x), first)
            # A child stands behind its parent: a walk ends after as many steps as the tree has nodes.
            while (inner := self.feature[node] >= 0).any():
                at, row = node[inner], np.flatnonzero(inner)
                down = x[row, self.feature[at]] <= self.threshold[at]
                node[row] = first + np.where(down, self.left[at], self.right[at])
            total += self.value[node]
        return total

    def state(self) -> State:
        """Return the arrays, for a checkpoint."""
        return State({name: getattr(self, name) for name in NAMES} | {"base": np.array([self.base])})


def from_state(arrays: Mapping[str, np.ndarray], features: int) -> BoostedTrees:
    """Return the trees of `BoostedTrees.state`, for as many features.

    Raises:
        ModelError: an array is missing or of another length, or a node leads out of its tree.
    """
    state = State(dict(arrays))
    start = state.array("start", (None,)).astype(np.int64)
    count = int(start[-1]) if len(start) else 0
    values: dict[str, Any] = {name: state.array(name, (count,)) for name in NAMES[:-1]}
    if len(start) < 2 or start[0] != 0 or (np.diff(start) < 1).any():
        raise ModelError("checkpoint", "its trees do not follow one another", remedy="train again")
    values |= {name: values[name].astype(np.int64) for name in ("feature", "left", "right")}
    tree = np.repeat(np.arange(len(start) - 1), np.diff(start))
    own, size = np.arange(count) - start[tree], np.diff(start)[tree]
    inner = values["feature"] >= 0
    ahead = [(own < values[side]) & (values[side] < size) for side in ("left", "right")]
    if not (~inner | (ahead[0] & ahead[1] & (values["feature"] < features))).all():
        raise ModelError("checkpoint", "holds a tree whose nodes lead out of it", remedy="train again")
    return BoostedTrees(**values, start=start, base=float(state.array("base", (1,))[0]))


def from_sklearn(model: Any) -> BoostedTrees:
    """Return the trees of a fitted `HistGradientBoostingClassifier` of two classes, without categories."""
    nodes = [iteration[0].nodes for iteration in model._predictors]
    every = np.concatenate(nodes)
    leaf = every["is_leaf"].astype(bool)
    return BoostedTrees(
        feature=np.where(leaf, -1, every["feature_idx"]).astype(np.int64),
        threshold=np.where(leaf, 0.0, every["num_threshold"]),
        left=np.where(leaf, 0, every["left"]).astype(np.int64),
        right=np.where(leaf, 0, every["right"]).astype(np.int64),
        value=np.where(leaf, every["value"], 0.0),
        start=np.concatenate([[0], np.cumsum([len(one) for one in nodes])]).astype(np.int64),
        base=float(np.ravel(model._baseline_prediction)[0]),
    )
