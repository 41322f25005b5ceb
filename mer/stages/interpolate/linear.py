"""Linear blending of the two neighbouring frames.

At micro-expression frame rates, where neighbours differ by less than a pixel, nothing is better
(specs/aman-magnet-rife.md E.2). Blended frames carry less noise than original ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mer.stages.interpolate.method import InterpolateMethod, ScheduleParams
from mer.stages.interpolate.neighbours import Maker, between_neighbours


class Params(ScheduleParams):
    """Keys of `method: linear`."""


def resample(frames: Any, positions: np.ndarray, params: Params | None = None) -> np.ndarray:
    """Return the frames at fractional positions by linear blending, rounded; see `InterpolateMethod`."""

    def maker_of(first: np.ndarray, second: np.ndarray) -> Maker:
        one = first.astype(np.float64)
        return lambda time: np.rint((1 - time) * one + time * second)

    return between_neighbours(frames, positions, maker_of)


METHOD = InterpolateMethod(Params, resample)
