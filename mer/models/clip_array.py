"""An array of clips that several folds read: rows of a common one, without a copy of them for every fold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np


class ClipArray:
    """Some rows, in a given order, of an array with the clips along its first axis.

    What asks for it gets these rows and no other, as copies. `np.asarray` makes an array of all of them.

    Args:
        whole: (N, ...) the common array, perhaps mapped from a file.
        rows: (n,) int64 indices into it; all of them when None.

    Attributes:
        whole, rows: for `mer.models.feed` alone, which brings the common array to a device once.
    """

    def __init__(self, whole: np.ndarray, rows: np.ndarray | None = None) -> None:
        self.whole = whole
        self.rows = np.arange(len(whole)) if rows is None else np.asarray(rows, np.int64)

    @classmethod
    def of(cls, array: np.ndarray | ClipArray) -> ClipArray:
        """Return a plain array as one of clips, and one of clips as it is."""
        return array if isinstance(array, ClipArray) else cls(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (len(self.rows), *self.whole.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of an array."""
        return self.whole.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of these clips, without the others of the common array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, clips: Any) -> np.ndarray:
        """Return a copy of one clip or of some, by index, indices or slice."""
        return np.array(self.whole[self.rows[clips]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        taken = self.whole[self.rows]
        return taken if dtype is None else taken.astype(dtype)

    def taken(self, clips: np.ndarray) -> ClipArray:
        """Return the clips (m,) int64 of this one, in that order."""
        return ClipArray(self.whole, self.rows[clips])

    def blocks(self, size: int = 8) -> Iterator[np.ndarray]:
        """Yield all clips in order, at most `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]
