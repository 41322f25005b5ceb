"""The keys that every method of spotting features has."""

from __future__ import annotations

from pydantic import Field

from mer.core.params import Params


class DistanceParams(Params):
    """How far apart the two frames of a pair are, and the size of the crops that flow is computed on."""

    distance: float = Field(0.1, gt=0, le=2, description="Seconds between the two frames of a pair; MEAN takes 0.1.")
    distance_frames: int | None = Field(None, ge=1, description="The same in frames, whatever the frame rate.")
    size: int = Field(128, ge=64, le=512, description="Side to which crops are reduced before flow, pixels.")
