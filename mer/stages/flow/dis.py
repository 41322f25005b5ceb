"""Dense inverse search flow: see `mer.motion.dis` for the presets and what they were measured to do."""

from __future__ import annotations

from mer.motion import dis
from mer.stages.flow.method import FlowMethod, FlowParams


class Params(FlowParams, dis.DISOptions):
    """Keys of `method: dis`."""


METHOD = FlowMethod(Params, dis.flow)
