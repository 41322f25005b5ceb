"""What a model learned: named arrays plus JSON metadata, and nothing that needs unpickling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.models.clip_array import ClipArray

#: Of clips, along the first axis: an array, or several by name. `ClipArray` where a model's card says `shared`.
Features = np.ndarray | ClipArray | dict[str, np.ndarray] | dict[str, ClipArray]


def by_name(features: Features) -> dict[str, ClipArray]:
    """Return the arrays by name; a single array, of a model with one kind of features, is named ''."""
    named = features if isinstance(features, dict) else {"": features}
    return {name: ClipArray.of(array) for name, array in named.items()}


def from_names(arrays: Mapping[str, ClipArray]) -> Features:
    """Return what `by_name` was given."""
    return arrays[""] if list(arrays) == [""] else dict(arrays)


def plain(features: Features) -> np.ndarray | dict[str, np.ndarray]:
    """Return the features as plain arrays: copies of those that several folds share."""
    if isinstance(features, dict):
        return {name: np.asarray(array) for name, array in features.items()}
    return np.asarray(features)


def subset(features: Features, clips: np.ndarray) -> Features:
    """Return the features of the clips (M,) int, in that order, without copying any."""
    return from_names({name: array.taken(clips) for name, array in by_name(features).items()})


@dataclass(frozen=True)
class State:
    """Arrays by name, and metadata that JSON can hold."""

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any] = field(default_factory=dict)

    def array(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return one array after checking its shape; None matches any length.

        Raises:
            ModelError: the array is absent, of another shape, or not finite.
        """
        if name not in self.arrays:
            raise ModelError("checkpoint", f"has no array {name!r}", ", ".join(sorted(self.arrays)))
        value = self.arrays[name]
        if value.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, value.shape, strict=True)):
            raise ModelError("checkpoint", f"{name} has shape {value.shape}", f"{shape}", "train again")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ModelError("checkpoint", f"{name} has values that are not finite", remedy="train again")
        return value


def require_classes(labels: np.ndarray) -> None:
    """Refuse a training part from which nothing can be told apart.

    Raises:
        ModelError: `labels` (N,) name a single class.
    """
    if len(np.unique(labels)) < 2:
        raise ModelError("training part", "clips of one class only", "at least two classes", "choose another protocol")


def class_weights(kind: str | tuple[float, ...], labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (n_classes,) float64 weights of a loss, mean 1 over the clips when balanced.

    Args:
        kind: `balanced` (N / (classes present × clips of the class); 0 for an absent class), `none`, or one weight
            per class.
        labels: (N,) int labels of the training clips.
        n_classes: C.

    Raises:
        ModelError: a list of weights of another length than the class set.
    """
    if kind == "none":
        return np.ones(n_classes)
    if kind == "balanced":
        counts = np.bincount(labels, minlength=n_classes)
        present = counts > 0
        return np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0.0)
    if len(kind) != n_classes:
        raise ModelError("class_weights", f"{len(kind)} weights", f"one for each of the {n_classes} classes")
    return np.asarray(kind, dtype=float)
