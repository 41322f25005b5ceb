"""TV-L1 flow: see `mer.motion.tvl1` for the presets and what they were measured to do."""

from __future__ import annotations

from mer.motion import tvl1
from mer.stages.flow.method import FlowMethod, FlowParams


class Params(FlowParams, tvl1.TVL1Options):
    """Keys of `method: tvl1`."""


METHOD = FlowMethod(Params, tvl1.flow)
