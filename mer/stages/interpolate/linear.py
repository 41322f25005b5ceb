"""Linear blending of the two neighbouring frames.

At micro-expression frame rates, where neighbours differ by less than a pixel, nothing is better
(specs/aman-magnet-rife.md E.2). Blended frames carry less noise than original ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mer.stages.interpolate.method import InterpolateMethod, ScheduleParams


class Params(ScheduleParams):
    """Keys of `method: linear`."""


def resample(frames: Any, positions: np.ndarray, params: Params | None = None) -> np.ndarray:
    """Return the frames at fractional positions by linear blending, rounded; see `InterpolateMethod`."""
    out = np.empty((len(positions), *frames.shape[1:]), np.uint8)
    for index, position in enumerate(positions):
        low = int(position)
        part = position - low
        if part == 0:
            out[index] = frames[low]
            continue
        blend = (1 - part) * frames[low].astype(np.float64) + part * frames[low + 1]
        out[index] = np.rint(blend)
    return out


METHOD = InterpolateMethod(Params, resample)
