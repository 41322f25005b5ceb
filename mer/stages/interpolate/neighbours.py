"""Frames at fractional positions, where each is made from the two frames next to it.

What two neighbours have in common is worked out once, however many positions lie between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

#: From a time in (0, 1) to the frame (H, W, 3) uint8 between two frames.
Maker = Callable[[float], np.ndarray]


def between_neighbours(
    frames: Any, positions: np.ndarray, maker_of: Callable[[np.ndarray, np.ndarray], Maker]
) -> np.ndarray:
    """Return the frames at fractional positions.

    Args:
        frames: (T, H, W, 3) uint8 RGB, an array or a dataset; two frames are held at a time.
        positions: (F,) float in [0, T - 1].
        maker_of: two neighbours (H, W, 3) uint8 to what makes the frames between them; called once for each pair of
            neighbours with a position between them, in order.

    Returns:
        (F, H, W, 3) uint8; the frame itself at an integer position.
    """
    out = np.empty((len(positions), *frames.shape[1:]), np.uint8)
    for low, indices in spans(positions):
        first = np.asarray(frames[low])
        out[indices] = first
        between = [index for index in indices if positions[index] != low]
        if between:
            make = maker_of(first, np.asarray(frames[low + 1]))
            for index in between:
                out[index] = make(float(positions[index]) - low)
    return out


def spans(positions: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """Yield every frame that precedes a position, in order, with the indices of the positions from it to the next."""
    low = np.floor(np.asarray(positions)).astype(int)
    for frame in np.unique(low):
        yield int(frame), np.flatnonzero(low == frame).tolist()
