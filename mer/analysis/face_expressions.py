"""Candidates of the spotter that comes with `mer`, in frames of a video, with warnings and reasons."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mer.analysis.expressions import (
    WEAK,
    Curve,
    Expression,
    LeftOut,
    Spotted,
    cut_off,
    unseen,
    warnings_of,
)
from mer.analysis.face_models import FaceModels
from mer.analysis.parts import AlignedVideo, Track
from mer.analysis.region_parts import REGIONS, join_regions
from mer.core.errors import MediaError
from mer.spotting.faces import Found
from mer.spotting.region_motion import RegionMotion, stride_of

LONG = 0.8  # seconds beyond which a movement is no micro-expression, whatever else speaks for it


def motion_along(video: AlignedVideo, track: Track) -> RegionMotion:
    """Return the motion of the regions along a video.

    Raises:
        MediaError: no part shows a face.
    """
    motion = join_regions(video, track)
    if motion is None:
        reason = video.failure(video.parts[0], REGIONS)
        raise MediaError(video.footage.path, f"nothing can be spotted: {reason}", "a longer video with a face")
    if not np.isfinite(motion.motion).any():
        raise MediaError(video.footage.path, "no two neighbouring frames show a face", "a face for some time")
    return motion


def spot_faces(video: AlignedVideo, models: FaceModels, track: Track) -> Spotted:
    """Spot and name in a whole video; raises as `motion_along`."""
    motion = motion_along(video, track)
    judged = models.judge(motion)
    stride, length, threshold = stride_of(video.footage.fps), len(video.footage), models.threshold
    kept: list[Expression] = []
    left_out: list[LeftOut] = []
    for one in judged.found:
        if one.probability < threshold:
            continue
        first, peak, last = (min(place * stride, length - 1) for place in (one.onset, one.apex, one.offset))
        reason = unseen(track, first, last, peak) or ("a blink" if one.blink else "")
        if not reason and last - first > LONG * video.footage.fps:
            reason = "lasts longer than a micro-expression"
        if reason:
            left_out.append(LeftOut("micro", first, last, reason))
            continue
        kept.append(_expression(video, track, one, (first, peak, last)))
    score = np.repeat(judged.score, stride)[:length]
    return Spotted([Curve("micro", 0, score, threshold)], kept, left_out, motion)


def _expression(video: AlignedVideo, track: Track, one: Found, frames: tuple[int, int, int]) -> Expression:
    first, peak, last = frames
    quality = float(track.quality[first : last + 1].min())
    warnings = warnings_of(video, track, first, last, quality) + cut_off(first, last, len(video.footage), 1)
    # A face that is followed poorly is not named at all.
    scores: Mapping[str, float] = one.classes if quality >= WEAK else {}
    return Expression("micro", first, peak, last, one.probability, quality, warnings, scores)
