"""Black-Anandan flow: see `mer.motion.black_anandan`."""

from __future__ import annotations

import numpy as np

from mer.motion import black_anandan
from mer.stages.flow.pairs import DeviceParams


class Params(DeviceParams, black_anandan.BlackAnandanOptions):
    """Keys of `method: black_anandan`."""


def estimate(first: np.ndarray, second: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flow (2, H, W) float32 between two grey images (H, W) float32, 0-255."""
    return estimate_many(first[None], second[None], params)[0]


def estimate_many(firsts: np.ndarray, seconds: np.ndarray, params: Params) -> np.ndarray:
    """Return the forward flows (P, 2, H, W) float32 from `firsts` (1 or P, H, W) to `seconds` (P, H, W)."""
    return black_anandan.flows(firsts, seconds, params, params.resolved_device())
