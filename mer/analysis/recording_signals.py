"""What runs along a whole video beside the score: signals of eyes, mouth and head, and the motion of facial regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer.analysis.face_motion import activity, region_names
from mer.analysis.parts import AlignedVideo, Part, Track
from mer.core.container import Clip
from mer.core.geometry import eye_distance
from mer.motion import dis
from mer.motion.dis import DISOptions
from mer.motion.face_signals import FaceSignals, face_signals
from mer.motion.facial_regions import ZONES, in_zone
from mer.motion.grey import grey
from mer.motion.headmotion import centre
from mer.spotting.region_motion import RegionMotion
from mer.stages.rois import au_boxes

CURVE_RATE = 8.0  # values per second of the regions' curves
CURVE_SPAN = 0.2  # seconds over which their motion is measured
QUICK = DISOptions(preset="medium")


@dataclass(frozen=True)
class RegionCurves:
    """How much facial regions move along a video.

    Args:
        seconds: (T,) ascending times.
        names: (R,) of the regions.
        values: (R, T) shares of the distance between the eyes; NaN where no face is seen.
        meaning: what a value is, in a few words.
    """

    seconds: np.ndarray
    names: Sequence[str]
    values: np.ndarray
    meaning: str = f"motion within {CURVE_SPAN:g} s"


def landmarks_along(video: AlignedVideo) -> tuple[np.ndarray, np.ndarray]:
    """Return landmarks (T, 68, 2) float32 in the crops, and transforms (T, 2, 3); NaN where a part shows no face."""
    count = len(video.footage)
    landmarks = np.full((count, 68, 2), np.nan, np.float32)
    transform = np.full((count, 2, 3), np.nan)
    for part in video.parts:
        with video.clip(part) as clip:
            if clip is not None:
                own = slice(part.start, part.joint)
                landmarks[own] = clip.lazy("landmarks")[: part.joint - part.start]
                transform[own] = clip.lazy("transform")[: part.joint - part.start]
    return landmarks, transform


def recording_signals(video: AlignedVideo, track: Track) -> FaceSignals:
    """Return the signals of every frame of the grid."""
    return face_signals(*landmarks_along(video), video.footage.fps, ~track.blind)


def curves_of(motion: RegionMotion) -> RegionCurves:
    """Return how much the zones of a face move, from the motion of its regions that was spotted in."""
    step = int(np.argmin(np.abs(motion.steps / motion.rate - CURVE_SPAN)))
    length = np.linalg.norm(motion.motion[step].astype(np.float64), axis=2)
    seconds = (np.arange(len(motion)) + motion.steps[step] / 2) / motion.rate
    values = np.stack([length[:, in_zone(zone)].mean(axis=1) for zone in ZONES])
    return RegionCurves(seconds, ZONES, values)


def region_curves(video: AlignedVideo, track: Track) -> RegionCurves:
    """Return how much each facial region moves within `CURVE_SPAN`, without the motion of the whole head.

    Optical flow between crops `CURVE_SPAN` apart, `CURVE_RATE` times a second: an overview, too coarse to spot with.
    """
    seconds: list[float] = []
    rows: list[np.ndarray] = []
    for part in video.parts:
        with video.clip(part) as clip:
            if clip is not None:
                for middle, row in _part_rows(clip, part, track, video.footage.fps):
                    seconds.append(middle)
                    rows.append(row)
    names = tuple(region_names())
    values = np.array(rows).reshape(len(rows), len(names)).T
    return RegionCurves(np.array(seconds), names, values)


def _part_rows(clip: Clip, part: Part, track: Track, fps: float) -> list[tuple[float, np.ndarray]]:
    frames, landmarks = clip.lazy("frames"), clip.read("landmarks")
    span, step = max(1, round(CURVE_SPAN * fps)), max(1, round(fps / CURVE_RATE))
    height, width = frames.shape[1:3]
    rows = []
    for first in range(0, min(part.joint - part.start, len(landmarks) - span), step):
        grid = part.start + first
        middle = (grid + span / 2) / fps
        unseen = track.blind[grid : grid + span + 1].any() or any(grid < cut <= grid + span for cut in track.cuts)
        if unseen:
            rows.append((middle, np.full(len(region_names()), np.nan)))
            continue
        pair = [grey(frames[place]) for place in (first, first + span)]
        flow = centre(dis.flow(pair[0], pair[1], QUICK), "median")
        boxes = au_boxes.locate(landmarks[first], width, height, au_boxes.Params(table="facs"))
        rows.append((middle, np.array(list(activity(flow, boxes, eye_distance(landmarks[first])).values()))))
    return rows
