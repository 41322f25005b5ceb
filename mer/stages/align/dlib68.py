"""Alignment with dlib: detection, 68 landmarks, and rigid registration to a fraction of a pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from mer.core.errors import ClipError
from mer.core.geometry import (
    EYE_ROW,
    EYE_SPREAD,
    apply,
    canonical_eyes,
    compose,
    eye_centres,
    from_parameters,
    invert,
    parameters,
    similarity,
)
from mer.core.params import Params as Base
from mer.stages.align.patch import EYE_DISTANCE, EYES
from mer.stages.align.smooth import fill_gaps, local_quadratic, slow_excess
from mer.stages.align.track import Fit, Settings, Tracker, face_box

RECENTRE_FRAMES = 30.0  # standard deviation of the filter that follows the eyes: ten times a short apex


class Params(Base):
    """Keys of the `dlib` method.

    Args:
        size: side of the crop in pixels.
        eye_row: height of the eyes as a fraction of the side.
        eye_spread: distance between the eye centres as a fraction of the side.
        detector: dlib's HOG detector, or its CNN, slower on a CPU but at home with profiles.
        upsample: how often a picture may be doubled to find a small face.
        redetect_every: frames after which the detector confirms the face that is followed.
        refine: register every frame with a key frame; False trusts the smoothed landmarks alone.
        samples: face boxes whose landmarks are averaged; more is steadier and slower.
        recentre: how far, in eye distances, the eyes may stray from their place before the crop follows them,
            slowly (`RECENTRE_FRAMES`). It stops the drift of a long video whose head turns; within it a
            crop moves with the rigid face alone. 0 never recentres.
        smooth: odd number of frames of the landmark filter; 1 is off. 5 keeps 96 % of a five-frame apex.
        rigid_smooth: odd number of frames of the transform's filter, used without `refine`.
        cache_mb: memory for decoded frames between the two passes over a clip.
    """

    size: int = Field(224, ge=32, le=1024)
    eye_row: float = Field(EYE_ROW, gt=0.1, lt=0.9)
    eye_spread: float = Field(EYE_SPREAD, gt=0.1, lt=0.8)
    detector: Literal["hog", "cnn"] = "hog"
    upsample: int = Field(1, ge=0, le=3)
    redetect_every: int = Field(50, ge=1)
    refine: bool = True
    samples: int = Field(3, ge=1, le=9)
    recentre: float = Field(0.06, ge=0, lt=1)
    smooth: int = Field(5, ge=1, le=51)
    rigid_smooth: int = Field(11, ge=1, le=101)
    cache_mb: int = Field(256, ge=0)

    @field_validator("smooth", "rigid_smooth")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


@dataclass(frozen=True)
class Alignment:
    """The geometry of a clip of T frames.

    Args:
        transform: (T, 2, 3) float64 source pixels -> crop pixels.
        landmarks: (T, 68, 2) float32 in crop pixels.
        box: (T, 4) float32 face box in source pixels.
        quality: (T,) float32 0-1.
        detected: (T,) bool.
        reasons: reason -> indices of the frames it applies to.
        faces: the largest number of faces seen in a frame.
    """

    transform: np.ndarray
    landmarks: np.ndarray
    box: np.ndarray
    quality: np.ndarray
    detected: np.ndarray
    reasons: dict[str, list[int]]
    faces: int


def align(frames: Iterable[np.ndarray], params: Params, where: str = "clip") -> Alignment:
    """Find and follow the face in frames (H, W, 3) uint8 RGB or (H, W) uint8; one frame is held at a time.

    Frames without a face get the transform and landmarks of their neighbours, linearly interpolated, and
    quality 0.

    Raises:
        ClipError: there is no frame, or no face in any frame tried.
    """
    names = Settings.__dataclass_fields__
    tracker = Tracker(Settings(**{name: getattr(params, name) for name in names}))
    fits = [tracker.step(_grey(frame)) for frame in frames]
    return assemble(fits, params, where)


def assemble(fits: Sequence[Fit], params: Params, where: str) -> Alignment:
    """Join the fits of a clip into smoothed, gapless arrays; raises as `align`."""
    good = np.array([fit.matrix is not None for fit in fits], bool)
    if not good.any():
        tried = [i for i, fit in enumerate(fits) if fit.tried]
        found = f"no face in the {len(tried)} frames tried of {len(fits)} (indices {ranges(tried)})"
        raise ClipError(where, found, "a frontal face of at least 40 pixels", "check the frames or set detector: cnn")
    quality = np.array([fit.quality for fit in fits])
    matrices = np.stack([fit.matrix if fit.matrix is not None else np.eye(2, 3) for fit in fits])
    points = np.stack([fit.points if fit.points is not None else np.zeros((68, 2)) for fit in fits])
    source = fill_gaps(apply(invert(matrices), points).reshape(len(fits), -1), good).reshape(points.shape)
    # The inverse is interpolated: its numbers are position and size in the picture, where motion is even.
    back = fill_gaps(parameters(invert(matrices)), good)
    if not params.refine:
        back = local_quadratic(back, np.where(good, quality + 1e-3, 0.0), params.rigid_smooth)
    working = invert(from_parameters(back))
    if params.recentre:
        working = recentred(working, source, np.where(good, quality, 0.0), params.recentre * EYE_DISTANCE)
    to_crop = similarity(EYES, canonical_eyes(params.size, params.eye_row, params.eye_spread))
    transform = compose(np.broadcast_to(to_crop, working.shape), working)
    landmarks = local_quadratic(apply(transform, source), np.where(good, quality + 1e-3, 0.0), params.smooth)
    return Alignment(
        transform=transform,
        landmarks=landmarks.astype(np.float32),
        box=np.stack([face_box(m) for m in working]).astype(np.float32),
        quality=quality.astype(np.float32),
        detected=np.array([fit.detected for fit in fits], bool),
        reasons=_reasons(fits),
        faces=max(fit.faces for fit in fits),
    )


def recentred(working: np.ndarray, source: np.ndarray, weights: np.ndarray, tolerance: float) -> np.ndarray:
    """Return transforms (T, 2, 3) picture -> patch whose eyes stay within `tolerance` pixels of their place.

    Args:
        working: (T, 2, 3) transforms.
        source: (T, 68, 2) landmarks in the picture.
        weights: (T,) trust in each frame.
        tolerance: patch pixels, RMS over both eyes.
    """
    offsets = eye_centres(apply(working, source)) - EYES
    excess = slow_excess(offsets, weights, RECENTRE_FRAMES, tolerance)
    moved = [similarity(EYES + extra, EYES) if extra.any() else np.eye(2, 3) for extra in excess]
    return compose(np.stack(moved), working)


def _reasons(fits: Sequence[Fit]) -> dict[str, list[int]]:
    reasons: dict[str, list[int]] = {}
    for index, fit in enumerate(fits):
        for reason in fit.reasons:
            reasons.setdefault(reason, []).append(index)
    return reasons


def ranges(indices: Sequence[int], limit: int = 12) -> str:
    """Return ascending indices as text, runs joined ('0-3, 7'), at most `limit` runs written out."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    text = ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in runs[:limit])
    return text + (f" and {len(runs) - limit} more runs" if len(runs) > limit else "")


def _grey(frame: np.ndarray) -> np.ndarray:
    import cv2

    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
