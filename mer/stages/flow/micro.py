"""Micro-flow: see `mer.motion.micro` for what it does and its options."""

from __future__ import annotations

import numpy as np

from mer.motion import micro
from mer.stages.flow.pairs import DeviceParams


class Params(DeviceParams, micro.MicroOptions):
    """Keys of `method: micro`."""


def estimate(first: np.ndarray, second: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flow (2, H, W) float32 between two grey images (H, W) float32, 0-255."""
    return estimate_many(first[None], second[None], params)[0]


def estimate_many(firsts: np.ndarray, seconds: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flows (P, 2, H, W) float32 from `firsts` (1 or P, H, W) to `seconds` (P, H, W)."""
    return micro.flows(firsts, seconds, params, params.resolved_device())
