"""Alignment with dlib: detection, 68 landmarks, and rigid registration to a fraction of a pixel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from pydantic import Field

from mer.core.geometry import EYE_ROW, EYE_SPREAD
from mer.stages.align.finish import Smoothing, to_crop
from mer.stages.align.measure import Measurement
from mer.stages.align.method import AlignMethod, TrackParams
from mer.stages.align.warp import crops


class Params(TrackParams):
    """Keys of the `dlib` method."""

    size: int = Field(224, ge=32, le=1024, description="side of the crop in pixels")
    eye_row: float = Field(EYE_ROW, gt=0.1, lt=0.9, description="height of the eyes as a fraction of the side")
    eye_spread: float = Field(
        EYE_SPREAD, gt=0.1, lt=0.8, description="distance between the eye centres as a fraction of the side"
    )
    recentre: float = Field(
        0.06,
        ge=0,
        lt=1,
        description="how far, in eye distances, the eyes may stray from their place before the crop follows them, "
        "slowly. It stops the drift of a long video whose head turns; within it a crop moves with the rigid face "
        "alone. 0 never recentres",
    )
    every: int = Field(
        1,
        ge=1,
        le=100,
        description="frames from one in which the face is placed to the next, for films much faster than a head moves; "
        "in between its place and its landmarks are interpolated",
    )


def measure(frames: Iterable[np.ndarray], params: Params, where: str = "clip") -> Measurement:
    """Find and follow the face; see `AlignMethod`."""
    smoothing = Smoothing(params.refine, params.recentre, params.smooth, params.rigid_smooth)
    matrix = to_crop(params.size, params.eye_row, params.eye_spread)
    return Measurement(frames, params, smoothing, matrix, where, params.every)


def cut(frames: Iterable[np.ndarray], transform: np.ndarray, params: Params) -> Iterator[np.ndarray]:
    """Yield the crop of each frame; see `AlignMethod`."""
    return crops(frames, transform, params.size)


METHOD = AlignMethod(Params, measure, cut)
