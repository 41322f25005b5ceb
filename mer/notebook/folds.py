"""The folds of an experiment as a scikit-learn splitter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.notebook.arrays import KEYS
from mer.training.fold_tables import Row
from mer.training.folds import Fold


class RunFolds:
    """The very folds of an experiment, for `cross_val_predict`, `GridSearchCV` and the like.

    Rows are matched by dataset and sample_id, which `y` and `groups` of `run.arrays` carry as their index, never by
    place: arrays in another order, or without clips that a stage excluded, are split as the workflow splits them. A
    fold of which no held-out clip is among the arrays is left out.

    Attributes:
        name: of the experiment.
        names: of its folds, in order.
        held_out: the persons that each fold leaves out.
    """

    def __init__(self, name: str, folds: Sequence[Fold[Row]]) -> None:
        self.name = name
        self.names = tuple(fold.name for fold in folds)
        self.held_out = tuple(fold.held_out for fold in folds)
        self._train = [frozenset(row.key for row in fold.train) for fold in folds]
        self._test = [frozenset(row.key for row in fold.test) for fold in folds]
        self._known = frozenset(key for fold in self._test for key in fold)

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the (n,) int places of the training and of the held-out clips of every fold.

        Args:
            X: not looked at, but for its length and, of a DataFrame, its index.
            y: as `run.arrays` gave it, or a part of it.
            groups: likewise; one of the two is enough.

        Raises:
            ModelError: nothing says which clip a row is, a clip is not in the experiment or occurs twice, or a fold is
                left without a training clip.
        """
        for _, train, test in self._places(X, y, groups):
            yield train, test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds: all of the experiment, or those that `split` yields for some arrays."""
        if all(given is None or _index(given) is None for given in (y, groups, X)):
            return len(self.names)
        return len(self._places(X, y, groups))

    def names_of(self, X: Any = None, y: Any = None, groups: Any = None) -> list[str]:
        """Return the name of each fold that `split` yields."""
        return [name for name, _, _ in self._places(X, y, groups)]

    def tested(self) -> dict[str, frozenset[tuple[str, str]]]:
        """Return the dataset and sample_id of the clips that each fold holds out."""
        return dict(zip(self.names, self._test, strict=True))

    def _places(self, X: Any, y: Any, groups: Any) -> list[tuple[str, np.ndarray, np.ndarray]]:
        keys = self._keys(X, y, groups)
        parts = []
        for name, train, test in zip(self.names, self._train, self._test, strict=True):
            held = np.array([place for place, key in enumerate(keys) if key in test], np.int64)
            if not len(held):
                continue
            seen = np.array([place for place, key in enumerate(keys) if key in train], np.int64)
            if not len(seen):
                raise ModelError(f"fold {name} of {self.name}", "no training clip is among the arrays", "at least one")
            parts.append((name, seen, held))
        return parts

    def _keys(self, X: Any, y: Any, groups: Any) -> list[tuple[str, str]]:
        where = f"folds of {self.name}"
        given = {"y": y, "groups": groups, "X": X}
        indexes = {name: index for name, value in given.items() if (index := _index(value)) is not None}
        if not indexes:
            remedy = "pass y or groups as run.arrays gave them, or with their index put back"
            raise ModelError(
                where, "nothing says which clip a row is", "y or groups with dataset and sample_id", remedy
            )
        first, *others = indexes
        for other in others:
            if list(indexes[other]) != list(indexes[first]):
                raise ModelError(where, f"{first} and {other} are of different clips", "the same clips in one order")
        keys = [(str(dataset), str(sample)) for dataset, sample in indexes[first]]
        foreign = [key for key in keys if key not in self._known]
        if foreign:
            found = f"{len(foreign)} of {len(keys)} clips are not in the experiment, such as {foreign[0][1]}"
            remedy = f'use run.arrays(…, experiment="{self.name}")'
            raise ModelError(where, f"{found} of {foreign[0][0]}", "clips of its databases and view", remedy)
        if len(set(keys)) < len(keys):
            raise ModelError(where, "a clip occurs twice among the arrays", "every clip once")
        for name, value in given.items():
            if value is not None and _length(value) not in (None, len(keys)):
                raise ModelError(where, f"{name} has {_length(value)} rows", f"{len(keys)}, as {first}")
        return keys

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<{len(self.names)} folds of {self.name}: {len(self._known)} clips>"


def _index(value: Any) -> Any:
    index = getattr(value, "index", None)
    return index if list(getattr(index, "names", ())) == KEYS else None


def _length(value: Any) -> int | None:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return int(shape[0])
    return len(value) if hasattr(value, "__len__") else None
