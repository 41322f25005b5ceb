"""What a method of the `spot` stage is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from mer.core.params import Params
from mer.stages.contract import Method, P

#: From two grey crops (S, S) float32 0-255 and the first one's landmarks (68, 2) to features (3, 42, 42) float32.
Picture = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class DistanceParams(Params):
    """How far apart the two frames of a pair are, and the size of the crops that flow is computed on."""

    distance: float = Field(0.1, gt=0, le=2, description="Seconds between the two frames of a pair; MEAN takes 0.1.")
    distance_frames: int | None = Field(None, ge=1, description="The same in frames, whatever the frame rate.")
    size: int = Field(128, ge=64, le=512, description="Side to which crops are reduced before flow, pixels.")


@dataclass(frozen=True)
class SpotMethod(Method[P]):
    """What a spotting network sees of two frames.

    Attributes:
        picture: `picture(params, where)`, the `Picture` of one recording, called for its pairs in order; `where` is the
            recording's name in messages. A `Picture` raises `ClipError` when the landmarks leave no region.
    """

    picture: Callable[[P, str], Picture]
