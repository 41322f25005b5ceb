"""How the regions of a face move over a few tenths of a second, along a recording: what `mer.spotting.faces` spots in.

Displacements between aligned crops a fixed time apart, without the motion of the head, of the regions of
`mer.motion.facial_regions`. Every few seconds, what of each action unit shows in this face is measured. Lengths are
shares of the distance between the eyes. Fast recordings are thinned to about 30 pictures a second: nothing faster is
looked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mer.motion.facial_regions import HEAD_TERMS, PLACES, FacePlaces, face_places
from mer.motion.grey import grey
from mer.motion.region_flow import Sight, region_displacements, sight
from mer.spotting.unit_templates import UNITS, responses
from mer.stages.spot.stage import scaled

RATE = 30.0  # pictures per second that are looked at
STEPS = (0.067, 0.133, 0.2, 0.267)  # seconds between the two pictures of a pair: half of the movements looked for
SIDE = 224  # pixels of a crop
TOP, BOTTOM, LEFT, RIGHT = 8, 208, 24, 200  # of those, what holds an aligned face
UNITS_EVERY = 3.0  # seconds between two looks at what of the action units shows
UNITS_STEP = 2  # of the steps, between the two pictures of a look
SOUND = 0.5  # quality below which a picture says nothing of the face


@dataclass(frozen=True)
class RegionMotion:
    """The motion along a recording of T pictures, H steps and R regions.

    Args:
        rate: pictures per second.
        steps: (H,) int64, pictures between those of a pair.
        motion: (H, T, R, 2) float32 from picture t to t + step, right and down, without the head's; NaN where a picture
            is missing.
        head: (H, T, 10) float32, the head's own (`mer.motion.region_flow.region_displacements`).
        unexplained: (H, T) float32, the median length of what neither explains.
        landmarks: (T, 68, 2) float32 pixels of the crops.
        transform: (T, 2, 3) float64 from pixels of the source to those of the crops.
        quality: (T,) float32 0-1, of the alignment.
        units: (P, U, R, 2) float32, `mer.spotting.unit_templates.responses` at P pictures.
        units_at: (P,) int64, those pictures.
    """

    rate: float
    steps: np.ndarray
    motion: np.ndarray
    head: np.ndarray
    unexplained: np.ndarray
    landmarks: np.ndarray
    transform: np.ndarray
    quality: np.ndarray
    units: np.ndarray
    units_at: np.ndarray

    def __len__(self) -> int:
        return len(self.quality)

    def write(self, step: int, picture: int, pair: tuple[np.ndarray, np.ndarray, float]) -> None:
        """Write what `pair_motion` gave for the pair that begins at a picture."""
        self.motion[step, picture], self.head[step, picture], self.unexplained[step, picture] = pair

    def part(self, first: int, last: int) -> RegionMotion:
        """Return pictures `first` to `last` (exclusive); pairs that reach beyond keep what they are."""
        pairs = {name: getattr(self, name)[:, first:last] for name in ("motion", "head", "unexplained")}
        single = {name: getattr(self, name)[first:last] for name in ("landmarks", "transform", "quality")}
        inside = (self.units_at >= first) & (self.units_at < last)
        return replace(self, **pairs, **single, units=self.units[inside], units_at=self.units_at[inside] - first)

    def blanked(self, blind: np.ndarray, cuts: Iterable[int]) -> RegionMotion:
        """Return the motion without pairs that have a picture of `blind` (T,) bool or a cut between them.

        A cut is the first picture of a shot.
        """
        shot = np.zeros(len(self), int)
        for cut in cuts:
            shot[max(0, cut) :] += 1
        motion = self.motion.copy()
        for k, step in enumerate(self.steps.tolist()):
            later = np.minimum(np.arange(len(self)) + step, len(self) - 1)
            motion[k, blind | blind[later] | (shot != shot[later])] = np.nan
        return replace(self, motion=motion)


def stride_of(fps: float) -> int:
    """Return how many frames of a recording go to one picture that is looked at."""
    return max(1, int(fps / RATE + 0.5))


def steps_of(rate: float) -> np.ndarray:
    """Return `STEPS` in pictures at a rate, at least 1."""
    return np.maximum(1, np.floor(np.array(STEPS) * rate + 0.5).astype(np.int64))


def region_motion(
    crops: Iterable[np.ndarray],
    landmarks: np.ndarray,
    transform: np.ndarray,
    quality: np.ndarray,
    rate: float,
) -> RegionMotion:
    """Return the motion along a recording.

    Args:
        crops: T aligned crops (S, S, 3) uint8 RGB, read once.
        landmarks: (T, 68, 2) pixels of the crops.
        transform: (T, 2, 3) from pixels of the source to those of the crops.
        quality: (T,) of the alignment.
        rate: crops per second; see `stride_of`.
    """
    made = unknown_motion(landmarks, transform, quality, rate)
    units, due = [], 0
    held: deque[Seen] = deque(maxlen=int(made.steps.max()) + 1)
    for last, crop in enumerate(crops):
        held.append(seen_picture(crop, landmarks[last]))
        for k, step in enumerate(made.steps.tolist()):
            first = last - step
            if step >= len(held):
                continue
            made.write(k, first, pair_motion(held[-1 - step], held[-1]))
            if k == UNITS_STEP and first >= due and min(quality[first], quality[last]) >= SOUND:
                units.append((first, unit_responses(held[-1 - step], held[-1])))
                due = first + round(UNITS_EVERY * rate)
    return with_units(made, units)


@dataclass(frozen=True)
class Seen:
    """The part of a crop that holds the face, made ready; landmarks (68, 2) and places in its pixels."""

    picture: Sight
    landmarks: np.ndarray
    face: FacePlaces


def seen_picture(crop: np.ndarray, landmarks: np.ndarray) -> Seen:
    """Return a crop (S, S, 3) uint8 RGB made ready; landmarks (68, 2) in its pixels."""
    points = scaled(landmarks, SIDE, crop.shape[0]) - (LEFT, TOP)
    picture = sight(np.ascontiguousarray(grey(crop, SIDE)[TOP:BOTTOM, LEFT:RIGHT]))
    return Seen(picture, points, face_places(points, picture.levels.shape))


def unit_responses(first: Seen, second: Seen) -> np.ndarray:
    """Return what of every action unit shows between two pictures (`mer.spotting.unit_templates.responses`)."""
    return responses(first.picture, second.picture, (first.landmarks, second.landmarks))


def with_units(motion: RegionMotion, units: Sequence[tuple[int, np.ndarray]]) -> RegionMotion:
    """Return a motion with the `unit_responses` of some of its pictures."""
    if not units:
        return motion
    return replace(motion, units=np.stack([one for _, one in units]), units_at=np.array([at for at, _ in units]))


def unknown_motion(landmarks: np.ndarray, transform: np.ndarray, quality: np.ndarray, rate: float) -> RegionMotion:
    """Return the motion of a recording of which no pair is known yet; arguments as `region_motion`."""
    steps = steps_of(rate)
    shape = len(steps), len(quality)
    return RegionMotion(
        rate=rate,
        steps=steps,
        motion=np.full((*shape, len(PLACES), 2), np.nan, np.float32),
        head=np.full((*shape, HEAD_TERMS), np.nan, np.float32),
        unexplained=np.full(shape, np.nan, np.float32),
        landmarks=landmarks.astype(np.float32),
        transform=transform.astype(np.float64),
        quality=quality.astype(np.float32),
        units=np.zeros((0, len(UNITS), len(PLACES), 2), np.float32),
        units_at=np.zeros(0, np.int64),
    )


def pair_motion(first: Seen, second: Seen) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the motion (R, 2) of the regions between two crops, that of the head (10,), and what neither explains."""
    moved, numbers, left = region_displacements(first.picture, second.picture, first.face)
    return moved / first.face.eyes, numbers / first.face.eyes, left / first.face.eyes
