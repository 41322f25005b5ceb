"""Micro-flow: see `mer.motion.micro` for what it does and its options."""

from __future__ import annotations

import numpy as np

from mer.motion import micro
from mer.motion.micro_options import MicroOptions
from mer.stages.contract import DeviceParams
from mer.stages.flow.method import FlowParams, batched


class Params(DeviceParams, FlowParams, MicroOptions):
    """Keys of `method: micro`."""


def _many(firsts: np.ndarray, seconds: np.ndarray, params: Params) -> np.ndarray:
    return micro.flows(firsts, seconds, params, params.resolved_device())


METHOD = batched(Params, _many)
