"""Black-Anandan flow: see `mer.motion.black_anandan`."""

from __future__ import annotations

import numpy as np

from mer.motion import black_anandan
from mer.motion.black_anandan_options import BlackAnandanOptions
from mer.stages.contract import DeviceParams
from mer.stages.flow.method import FlowParams, batched


class Params(DeviceParams, FlowParams, BlackAnandanOptions):
    """Keys of `method: black_anandan`."""


def _many(firsts: np.ndarray, seconds: np.ndarray, params: Params) -> np.ndarray:
    return black_anandan.flows(firsts, seconds, params, params.resolved_device())


METHOD = batched(Params, _many)
