"""Dense inverse search flow: see `mer.motion.dis` for the presets and what they were measured to do."""

from __future__ import annotations

import numpy as np

from mer.motion import dis
from mer.stages.flow.pairs import FlowParams


class Params(FlowParams, dis.DISOptions):
    """Keys of `method: dis`."""


def estimate(first: np.ndarray, second: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flow (2, H, W) float32 between two grey images (H, W) float32, 0-255."""
    return dis.flow(first, second, params)
