"""Farneback flow: see `mer.motion.farneback`."""

from __future__ import annotations

import numpy as np

from mer.motion import farneback
from mer.stages.flow.pairs import FlowParams


class Params(FlowParams, farneback.FarnebackOptions):
    """Keys of `method: farneback`."""


def estimate(first: np.ndarray, second: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flow (2, H, W) float32 between two grey images (H, W) float32, 0-255."""
    return farneback.flow(first, second, params)
