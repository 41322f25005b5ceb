"""What the finished parts of an analysed film know of its face, and whether it comes back to rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer.analysis.face_motion import activity
from mer.analysis.footage import open_footage
from mer.analysis.parts import AlignedVideo, Part, gather_track
from mer.analysis.recording_signals import landmarks_along
from mer.core.container import Container
from mer.core.geometry import apply, eye_distance, invert
from mer.motion.estimator import EstimatorParams, estimate
from mer.motion.face_signals import FaceSignals, face_signals
from mer.motion.grey import grey
from mer.motion.headmotion import centre
from mer.spotting.region_motion import SOUND
from mer.stages.rois import au_boxes

MARGIN = 0.07  # seconds outside an interval at which a face is taken to be at rest
MOVED = 0.01  # on average over a region; an expression whose largest displacement is twice that
CHOICE = EstimatorParams()


@dataclass(frozen=True)
class Tracked:
    """What is known of every frame of a film.

    Args:
        landmarks: (T, 68, 2) pixels of the film; NaN where the face is followed poorly.
        signals: of eyes, mouth and head.
        cuts: first frames after a cut.
        blind: (T,) bool: no face.
        weak: (T,) bool: no face, or one that is followed poorly.
    """

    landmarks: np.ndarray
    signals: FaceSignals
    cuts: Sequence[int]
    blind: np.ndarray
    weak: np.ndarray

    @property
    def seconds(self) -> float:
        """In which the face is followed well."""
        return float(np.isfinite(self.landmarks[:, 0, 0]).sum()) / self.signals.fps


def parts_of(film: Path, folder: Path) -> AlignedVideo:
    """Return a film with its finished parts below `folder`, as their containers describe themselves."""
    parts = []
    for number, path in enumerate(sorted(folder.glob("part*-align.h5"))):
        with Container(path) as box:
            told = box.parameters()
        parts.append(Part(number, int(told["start"]), int(told["own"]), int(told["stop"])))
    return AlignedVideo(open_footage(film), parts, folder)


def tracked(video: AlignedVideo) -> Tracked:
    """Return what the parts of a video know of its face."""
    track = gather_track(video)
    landmarks, transform = landmarks_along(video)
    signals = face_signals(landmarks, transform, video.footage.fps, ~track.blind)
    here = np.isfinite(transform).all(axis=(1, 2))
    filmed = np.full(landmarks.shape, np.nan)
    filmed[here] = apply(invert(transform[here]), landmarks[here])
    filmed[track.quality < SOUND] = np.nan
    return Tracked(filmed, signals, track.cuts, track.blind, track.blind | (track.quality < SOUND))


def stays(video: AlignedVideo, onset: int, apex: int, offset: int) -> float:
    """Return the share of a movement that is left after it: 0 where the face is as before, about 1 where it stays.

    The largest mean motion of any facial region, without that of the head, from `MARGIN` before the interval to as long
    after it, over that from before it to its apex. NaN where frames are missing, or where nothing moves by `MOVED`
    distances between the eyes until the apex.
    """
    part = video.part_at(apex)
    margin = max(1, round(MARGIN * video.footage.fps))
    with video.clip(part) as clip:
        last = min(part.stop, len(video.footage)) - 1
        before, after = max(part.start, onset - margin), min(last, offset + margin)
        if clip is None or not before < apex < after:
            return float("nan")
        frames = [grey(clip.lazy("frames")[place - part.start]) for place in (before, apex, after)]
        landmarks = clip.lazy("landmarks")[before - part.start]
    height, width = frames[0].shape
    boxes = au_boxes.locate(landmarks, width, height, au_boxes.Params(table="facs"))
    eyes = eye_distance(landmarks)
    risen, remains = (
        max(activity(centre(estimate(frames[0], frames[k], CHOICE), "similarity"), boxes, eyes).values())
        for k in (1, 2)
    )
    return remains / risen if risen >= MOVED else float("nan")
