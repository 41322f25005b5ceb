"""TV-L1 flow: see `mer.motion.tvl1` for the presets and what they were measured to do."""

from __future__ import annotations

import numpy as np

from mer.motion import tvl1
from mer.stages.flow.pairs import FlowParams


class Params(FlowParams, tvl1.TVL1Options):
    """Keys of `method: tvl1`."""


def estimate(first: np.ndarray, second: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flow (2, H, W) float32 between two grey images (H, W) float32, 0-255."""
    return tvl1.flow(first, second, params)
