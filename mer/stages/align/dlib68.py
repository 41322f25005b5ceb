"""Alignment with dlib: detection, 68 landmarks, and rigid registration to a fraction of a pixel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from mer.core.geometry import EYE_ROW, EYE_SPREAD
from mer.core.params import Params as Base
from mer.stages.align.finish import Smoothing, to_crop
from mer.stages.align.measure import Alignment, Measurement, collect
from mer.stages.align.track import Settings
from mer.stages.align.warp import crops


class TrackParams(Base):
    """Keys of every method that follows a face: how it is found, and what happens along time."""

    clips: Literal["expressions", "recordings"] = Field(
        "expressions", description="what is aligned: annotated expressions, or whole recordings, for spotting"
    )

    detector: Literal["hog", "cnn"] = Field(
        "hog", description="dlib's HOG detector, or its CNN, slower on a CPU but at home with profiles"
    )
    upsample: int = Field(1, ge=0, le=3, description="how often a picture may be doubled to find a small face")
    redetect_every: int = Field(
        50, ge=1, description="frames after which the detector confirms the face that is followed"
    )
    refine: bool = Field(
        True, description="register every frame with a key frame; false trusts the smoothed landmarks alone"
    )
    samples: int = Field(
        3, ge=1, le=9, description="face boxes whose landmarks are averaged; more is steadier and slower"
    )
    smooth: int = Field(
        5,
        ge=1,
        le=51,
        description="odd number of frames of the landmark filter; 1 is off, 5 keeps 96 % of a five-frame apex",
    )
    rigid_smooth: int = Field(
        11, ge=1, le=101, description="odd number of frames of the transform's filter, used without `refine`"
    )
    cache_mb: int = Field(256, ge=0, description="memory for decoded frames between the two passes over a clip, MiB")

    @field_validator("smooth", "rigid_smooth")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value

    def settings(self) -> Settings:
        """Return what the tracker needs."""
        return Settings(**{name: getattr(self, name) for name in Settings.__dataclass_fields__})


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


def measure(frames: Iterable[np.ndarray], params: Params, where: str = "clip") -> Measurement:
    """Find and follow the face in frames (H, W, 3) uint8 RGB or (H, W) uint8; one frame is held at a time.

    Frames without a face get the transform and landmarks of their neighbours, linearly interpolated, and
    quality 0.

    Returns:
        a `Measurement`, which raises `ClipError` on iteration when there is no frame, or no face in any frame tried.
    """
    smoothing = Smoothing(params.refine, params.recentre, params.smooth, params.rigid_smooth)
    matrix = to_crop(params.size, params.eye_row, params.eye_spread)
    return Measurement(frames, params.settings(), smoothing, matrix, where)


def align(frames: Iterable[np.ndarray], params: Params, where: str = "clip") -> Alignment:
    """Return the geometry of a whole clip; arguments and errors as `measure`."""
    return collect(measure(frames, params, where))


def cut(frames: Iterable[np.ndarray], transform: np.ndarray, params: Params) -> Iterator[np.ndarray]:
    """Yield the crop (size, size, 3) uint8 of each frame (H, W, 3) uint8 under transform (T, 2, 3)."""
    return crops(frames, transform, params.size)
