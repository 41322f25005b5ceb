"""Micro-flow: see `mer.motion.micro` for what it does and its options."""

from __future__ import annotations

import numpy as np

from mer.motion import micro
from mer.stages.flow.pairs import FlowParams


class Params(FlowParams, micro.MicroOptions):
    """Keys of `method: micro`."""


def estimate(first: np.ndarray, second: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flow (2, H, W) float32 between two grey images (H, W) float32, 0-255."""
    return micro.flow(first, second, params)
