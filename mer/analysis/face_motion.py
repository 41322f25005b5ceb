"""What moved in an interval: by facial region, in words, and in pictures with the motion enlarged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mer.analysis import words
from mer.analysis.expressions import Expression
from mer.analysis.parts import AlignedVideo, Part
from mer.core.container import Clip
from mer.core.geometry import eye_centres, scale_of
from mer.motion.estimator import EstimatorParams, estimate
from mer.motion.face_signals import FaceSignals
from mer.motion.grey import grey
from mer.motion.headmotion import centre
from mer.stages.magnify import lagrangian
from mer.stages.rois import au_boxes
from mer.stages.rois.regions import TABLES

GAIN = 5.0
FARTHEST = 0.2  # distances between the eyes: a picture in which a region moves farther is torn
LEAST_GAIN = 1.5  # a smaller one shows nothing that the apex does not
TABLE = "facs"
CHOICE = EstimatorParams()
RETURN = EstimatorParams(flow="dis")  # whether a face comes back is a coarser question


@dataclass(frozen=True)
class MotionPictures:
    """Pictures of one interval.

    Args:
        frames: (3, S, S, 3) uint8 crops at onset, apex and offset.
        flow: (2, S, S) float32 pixels from onset to apex, without the motion of the head.
        boxes: (R, 4) of the regions in pixels of the onset's crop.
        gain: how many times the motion is enlarged; 0 where it is too large for that.
        magnified: (S, S, 3) uint8, the apex with `gain` times its motion since the onset; the apex where that is 0.
    """

    frames: np.ndarray
    flow: np.ndarray
    boxes: np.ndarray
    gain: float
    magnified: np.ndarray


def region_names() -> dict[str, tuple[int, ...]]:
    """Return the regions and the numbers of the action units that each shows."""
    return {name: region.aus for name, region in TABLES[TABLE].items()}


def with_motion(expression: Expression, video: AlignedVideo, signals: FaceSignals) -> Expression:
    """Return the expression with the motion of its regions, and in words.

    Args:
        expression: as spotted; both stay empty where its apex is its first frame.
        video: in which it was.
        signals: of the whole video.
    """
    part = video.part_at(expression.onset)
    with video.clip(part) as clip:
        if clip is None or expression.apex <= expression.onset:
            return expression
        onset, apex, offset = places(expression, part)
        flow, boxes, landmarks = _flow(clip, onset, apex), _boxes(clip, onset), clip.lazy("landmarks")[onset]
        scale = float(scale_of(clip.lazy("transform")[onset]))
        back = _flow(clip, onset, offset, RETURN)
    left, right = eye_centres(landmarks)
    eyes = float(np.linalg.norm(right - left))
    before, after = words.moved_places(flow, landmarks), words.moved_places(back, landmarks)
    lasts = (expression.offset - expression.onset + 1) / video.footage.fps
    rest = words.beside(signals, expression.onset, expression.offset)
    said = words.sentence(words.what_moved(before, eyes / scale), lasts, words.came_back(before, after), rest)
    return replace(expression, motion=activity(flow, boxes, eyes), words=said)


def places(expression: Expression, part: Part) -> list[int]:
    """Return onset, apex and offset as frames of a part; what lies beyond it is its last frame."""
    last = part.stop - part.start - 1
    return [min(frame - part.start, last) for frame in (expression.onset, expression.apex, expression.offset)]


def activity(flow: np.ndarray, boxes: np.ndarray, eyes: float) -> dict[str, float]:
    """Return the mean length of a flow (2, S, S) in each box (R, 4), as shares of `eyes` pixels, by region."""
    length = np.hypot(flow[0], flow[1])
    whole = boxes.astype(int)
    means = [float(length[t:b, left:right].mean()) for left, t, right, b in whole.tolist()]
    return {name: mean / eyes for name, mean in zip(region_names(), means, strict=True)}


def motion_pictures(expression: Expression, video: AlignedVideo) -> MotionPictures | None:
    """Return the pictures of an interval, None when its part has no face."""
    part = video.part_at(expression.onset)
    with video.clip(part) as clip:
        if clip is None:
            return None
        where = places(expression, part)
        frames = np.stack([clip.lazy("frames")[place] for place in where])
        flow, boxes = _flow(clip, where[0], where[1]), _boxes(clip, where[0])
    gain = gain_for(max(expression.motion.values(), default=0.0))
    if not gain:
        return MotionPictures(frames, flow, boxes, 0.0, frames[1])
    params = lagrangian.Params(alphas=(gain,), passes=1)
    return MotionPictures(frames, flow, boxes, gain, next(lagrangian.magnified(frames[:2], 0, params))[1])


def gain_for(motion: float) -> float:
    """Return how many times a motion (shares of the distance between the eyes) can be enlarged, 0 where it cannot."""
    gain = GAIN if motion <= 0 else min(GAIN, FARTHEST / motion)
    return gain if gain >= LEAST_GAIN else 0.0


def _flow(clip: Clip, onset: int, apex: int, choice: EstimatorParams = CHOICE) -> np.ndarray:
    first, second = (grey(clip.lazy("frames")[place]) for place in (onset, apex))
    if np.array_equal(first, second):
        return np.zeros((2, *first.shape), np.float32)
    return centre(estimate(first, second, choice), "similarity")


def _boxes(clip: Clip, place: int) -> np.ndarray:
    height, width = clip.lazy("frames").shape[1:3]
    return au_boxes.locate(clip.lazy("landmarks")[place], width, height, au_boxes.Params(table=TABLE))
