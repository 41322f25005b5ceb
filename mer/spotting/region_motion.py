"""How the regions of a face move over a few tenths of a second, along a recording: what `mer.spotting.faces` spots in.

Dense flow between aligned crops a fixed time apart, without the motion of the head, as means of the regions of
`mer.motion.facial_regions`. Lengths are shares of the distance between the eyes. Fast recordings are thinned to
about 30 pictures a second: nothing faster is looked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from mer.core.geometry import eye_distance
from mer.motion.dis import DISOptions
from mer.motion.dis import flow as estimate
from mer.motion.facial_regions import HEAD_TERMS, PLACES, region_means, without_head
from mer.motion.grey import grey
from mer.stages.spot.stage import scaled

RATE = 30.0  # pictures per second that are looked at
STEPS = (0.067, 0.133, 0.2, 0.267)  # seconds between the two pictures of a pair: half of the movements looked for
SIDE = 224  # pixels of a crop
#: Down to half of the crop's density, without the variational step: of the estimators tried on implants in a filmed
#: face, the one with the most signal to its noise. Smoothing takes away more than half of a small local movement.
FLOW = DISOptions(preset="medium", finest_scale=1, patch_stride=4, spatial_propagation=False, refinement_iterations=0)


@dataclass(frozen=True)
class RegionMotion:
    """The motion along a recording of T pictures, H steps and R regions.

    Args:
        rate: pictures per second.
        steps: (H,) int64, pictures between those of a pair.
        motion: (H, T, R, 2) float32 from picture t to t + step, right and down, without the head's; NaN where a picture
            is missing.
        head: (H, T, 10) float32, the head's own (`mer.motion.facial_regions.without_head`).
        unexplained: (H, T) float32, the median length of what neither explains.
        landmarks: (T, 68, 2) float32 pixels of the crops.
        transform: (T, 2, 3) float64 from pixels of the source to those of the crops.
        quality: (T,) float32 0-1, of the alignment.
    """

    rate: float
    steps: np.ndarray
    motion: np.ndarray
    head: np.ndarray
    unexplained: np.ndarray
    landmarks: np.ndarray
    transform: np.ndarray
    quality: np.ndarray

    def __len__(self) -> int:
        return len(self.quality)

    def write(self, step: int, picture: int, pair: tuple[np.ndarray, np.ndarray, float]) -> None:
        """Write what `pair_motion` gave for the pair that begins at a picture."""
        self.motion[step, picture], self.head[step, picture], self.unexplained[step, picture] = pair

    def part(self, first: int, last: int) -> RegionMotion:
        """Return pictures `first` to `last` (exclusive); pairs that reach beyond keep what they are."""
        pairs = {name: getattr(self, name)[:, first:last] for name in ("motion", "head", "unexplained")}
        single = {name: getattr(self, name)[first:last] for name in ("landmarks", "transform", "quality")}
        return replace(self, **pairs, **single)

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
    for k, t, (first, second), points in _pairs(crops, landmarks, made.steps):
        made.write(k, t, pair_motion(first, second, points))
    return made


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
    )


def pair_motion(first: np.ndarray, second: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the motion (R, 2) of the regions between two crops, that of the head (10,), and what neither explains.

    Args:
        first: (S, S) grey float32, 0-255.
        second: the same, later.
        points: (68, 2) landmarks of the first, in its pixels.
    """
    eyes = eye_distance(points)
    rest, numbers, left = without_head(estimate(first, second, FLOW), points)
    return region_means(rest, points) / eyes, numbers / eyes, left / eyes


def _pairs(
    crops: Iterable[np.ndarray], landmarks: np.ndarray, steps: np.ndarray
) -> Iterator[tuple[int, int, tuple[np.ndarray, np.ndarray], np.ndarray]]:
    """Yield the number of the step, the first picture, the pair in grey, and the landmarks of its first picture."""
    held: deque[np.ndarray] = deque(maxlen=int(steps.max()) + 1)
    for last, crop in enumerate(crops):
        held.append(grey(crop, SIDE))
        for k, step in enumerate(steps.tolist()):
            if step < len(held):
                points = scaled(landmarks[last - step], SIDE, crop.shape[0])
                yield k, last - step, (held[-1 - step], held[-1]), points
