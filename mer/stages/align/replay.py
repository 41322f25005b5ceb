"""Reading a clip twice without keeping it: the first frames are held within a byte budget, the rest read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np


class Replay:
    """Two passes over the frames that `opener(start)` yields from position `start`.

    Args:
        opener: opens the frames at a position.
        budget: bytes of frames that may be held between the passes.
    """

    def __init__(self, opener: Callable[[int], Iterator[np.ndarray]], budget: int) -> None:
        self._opener = opener
        self._budget = budget
        self._held: list[np.ndarray] = []
        self._more = False

    def first(self) -> Iterator[np.ndarray]:
        """Yield every frame, holding the first ones."""
        used = 0
        for frame in self._opener(0):
            used += frame.nbytes
            if used <= self._budget and not self._more:
                self._held.append(frame)
            else:
                self._more = True
            yield frame

    def again(self) -> Iterator[np.ndarray]:
        """Yield every frame once more and let the held ones go."""
        start = len(self._held)
        self._held.reverse()
        while self._held:
            yield self._held.pop()
        if self._more:
            yield from self._opener(start)
