"""Black-Anandan flow: see `mer.motion.black_anandan`."""

from __future__ import annotations

import numpy as np

from mer.motion import black_anandan
from mer.stages.flow.pairs import FlowParams


class Params(FlowParams, black_anandan.BlackAnandanOptions):
    """Keys of `method: black_anandan`."""


def estimate(first: np.ndarray, second: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flow (2, H, W) float32 between two grey images (H, W) float32, 0-255."""
    return black_anandan.flow(first, second, params)
