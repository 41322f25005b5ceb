"""Farneback flow: see `mer.motion.farneback`."""

from __future__ import annotations

from mer.motion import farneback
from mer.stages.flow.method import FlowMethod, FlowParams


class Params(FlowParams, farneback.FarnebackOptions):
    """Keys of `method: farneback`."""


METHOD = FlowMethod(Params, farneback.flow)
