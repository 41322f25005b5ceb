"""How much a recording speaks for a short movement that comes and goes, at every moment and for every template.

A micro-expression is a bump: the face leaves its state and returns within half a second. So the motion from a moment
back to the one before it and on to the one after it is compared: half their difference is the bump, their sum what does
not return. A swaying or nodding head gives slow slopes, which cancel.

The bump is judged against the person's own habits (a matched filter: template and bump weighted by the inverse
covariance of the person's bumps). What goes with the motion of the head is taken out by regression first, because
depth, and skin over a jaw, differ between people. The scale of each region is that of the seconds around: while a
person talks, the mouth must move more to be noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mer.core.geometry import EYE_CORNERS, eye_centres
from mer.spotting.region_motion import RegionMotion
from mer.spotting.unit_templates import Template

FLOOR = 0.0008  # distances between the eyes: motion that the flow measures on a face of stone
AROUND = 2.5  # seconds to either side in which the scale of a region is measured
BESIDE = 0.45  # seconds to either side that do not count, so that a movement does not judge itself
LOCAL = 0.8  # share of the scale that is that of the seconds around; the rest is that of the whole recording
SHARED = 0.28  # share of the correlation between regions that is not believed
ROOT = 0.8222  # mean root of the absolute value of a Gaussian of standard deviation 1
BLOCK = 128  # moments at a time
TURNS = slice(6, 8)  # of the head's ten numbers


@dataclass(frozen=True)
class Evidence:
    """Evidence at T moments, for H durations (half of them each) and K templates; D = 2 R numbers of the regions.

    Args:
        rate: moments per second.
        steps: (H,) half durations in moments.
        templates: the K movements.
        bumps: (H, T, D) float64 displacement at the moment, less the mean of before and after; NaN where unknown.
        rests: (H, T, D) what does not return.
        shortest: (T, D) motion over the shortest step from each moment on.
        scales: (H, T, D) standard deviations that are usual around.
        inverse: (H, D, D) inverses of the correlations between regions.
        scores: (H, T, K) float32, the bump along a template in standard deviations; 0 where unknown.
    """

    rate: float
    steps: np.ndarray
    templates: Sequence[Template]
    bumps: np.ndarray
    rests: np.ndarray
    shortest: np.ndarray
    scales: np.ndarray
    inverse: np.ndarray
    scores: np.ndarray

    def weights(self, step: int, moment: int) -> np.ndarray:
        """Return the inverse covariance (D, D) at a moment."""
        scale = self.scales[step, moment]
        return np.asarray(self.inverse[step] / np.outer(scale, scale))

    def along(self, values: np.ndarray, moment: int, template: int) -> np.ndarray:
        """Return how far values (T, D) go along a template, (T,) in eye distances, as weighed at a moment."""
        vector = self.templates[template].moved.ravel()
        weighted = self.weights(0, moment) @ vector
        return np.asarray(values @ weighted / (vector @ weighted))

    @cached_property
    def path(self) -> np.ndarray:
        """Where the regions are at every moment, (T, D) from an unknown zero; what is not known does not move."""
        step = int(self.steps[0])
        # A sum of motions over a step is the mean of the places within it.
        behind = np.zeros((1 + (step - 1) // 2, self.shortest.shape[1]))
        return np.concatenate([behind, np.cumsum(np.nan_to_num(self.shortest), axis=0) / step])[: len(self.shortest)]


def evidence(motion: RegionMotion, templates: Sequence[Template]) -> Evidence:
    """Return the evidence of a recording of at most some minutes, whose habits count as one."""
    moved = own_motion(motion)
    bumps, rests = bumps_of(moved, motion.steps)
    vectors = np.stack([one.moved.ravel() for one in templates])
    scales, inverses, scores = [], [], []
    for bump in bumps:
        correlation, usual = habits(bump)
        scale = np.sqrt((1 - LOCAL) * usual**2 + LOCAL * around(bump, motion.rate) ** 2 + FLOOR**2)
        inverse = np.linalg.inv(correlation)
        scales.append(scale)
        inverses.append(inverse)
        scores.append(_scores(bump, scale, inverse, vectors))
    shortest = moved[0]
    parts = np.stack(scales), np.stack(inverses), np.stack(scores)
    return Evidence(motion.rate, motion.steps, templates, bumps, rests, shortest, *parts)


def own_motion(motion: RegionMotion) -> np.ndarray:
    """Return the motion (H, T, D) float64 of the regions without what goes with that of the head."""
    flat = motion.motion.reshape(*motion.motion.shape[:2], -1).astype(np.float64)
    pose = _pose(motion.landmarks)
    result = []
    for moved, head in zip(flat, motion.head.astype(np.float64), strict=True):
        # A turned face moves otherwise than one from the front.
        turned = head[:, TURNS, None] * pose[:, None, :]
        result.append(_smoothed(_without(moved, np.concatenate([head, turned.reshape(len(head), -1)], axis=1))))
    return np.stack(result)


def _smoothed(moved: np.ndarray) -> np.ndarray:
    """Return motions (T, D), each with half of the mean of its neighbours where both are known.

    What a flow gets wrong differs from pair to pair; a movement lasts.
    """
    between = (moved[:-2] + moved[2:]) / 4 + moved[1:-1] / 2
    result = moved.copy()
    result[1:-1] = np.where(np.isfinite(between), between, moved[1:-1])
    return result


def bumps_of(moved: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bumps and rests (H, T, D) of motions (H, T, D) from each moment to the one a step later."""
    bumps, rests = np.full_like(moved, np.nan), np.full_like(moved, np.nan)
    for k, step in enumerate(steps.tolist()):
        before, after = moved[k, :-step], moved[k, step:]
        bumps[k, step:], rests[k, step:] = (before - after) / 2, before + after
    return bumps, rests


def habits(bump: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation (D, D) and the scale (D,) of a person's bumps (T, D), whatever a few of them do."""
    known = bump[np.isfinite(bump).all(axis=1)]
    width = bump.shape[1]
    if len(known) < 2:
        return np.eye(width), np.full(width, FLOOR)
    usual = np.maximum(1.4826 * np.median(np.abs(known), axis=0), FLOOR)
    scaled = np.clip(known / usual, -6, 6)
    length = np.linalg.norm(scaled, axis=1)
    scaled = scaled * np.minimum(1, np.quantile(length, 0.9) / np.maximum(length, 1e-9))[:, None]
    covariance = scaled.T @ scaled / len(scaled)
    spread = np.sqrt(np.diag(covariance) + (FLOOR / usual) ** 2)
    correlation = (1 - SHARED) * covariance / np.outer(spread, spread)
    np.fill_diagonal(correlation, 1.0)
    return correlation, spread * usual


def around(bump: np.ndarray, rate: float) -> np.ndarray:
    """Return the scale (T, D) of bumps in the seconds around each moment, the moment itself left out.

    From the mean of the roots, so that a few movements in quiet seconds do not hide each other, as they would in the
    mean of the squares; of a Gaussian it is the standard deviation.
    """
    known = np.isfinite(bump)
    roots = np.sqrt(np.abs(np.where(known, bump, 0.0)))
    sums, counts = (np.concatenate([np.zeros((1, a.shape[1])), np.cumsum(a, axis=0)]) for a in (roots, known))
    moment, count = np.arange(len(bump)), len(bump)
    beside, far = round(BESIDE * rate), round(AROUND * rate)
    edges = [np.clip(moment + d, 0, count) for d in (-far, -beside, beside + 1, far + 1)]

    def total(values: np.ndarray) -> np.ndarray:
        return np.asarray(values[edges[1]] - values[edges[0]] + values[edges[3]] - values[edges[2]])

    return (total(sums) / np.maximum(total(counts), 1) / ROOT) ** 2


def _scores(bump: np.ndarray, scale: np.ndarray, inverse: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    scores = np.zeros((len(bump), len(vectors)), np.float32)
    for start in range(0, len(bump), BLOCK):
        part = slice(start, start + BLOCK)
        scaled = vectors[None] / scale[part, None]
        weighted = scaled @ inverse
        length = np.sqrt((weighted * scaled).sum(axis=2))
        along = np.einsum("tkd,td->tk", weighted, np.nan_to_num(bump[part] / scale[part]))
        scores[part] = along / length
    scores[~np.isfinite(bump).all(axis=1)] = 0
    return scores


def _pose(landmarks: np.ndarray) -> np.ndarray:
    """Return where the tip of the nose (T, 2) is against the eyes, from its usual place: how the head is turned."""
    points = landmarks.astype(np.float64)
    eyes = np.linalg.norm(np.diff(eye_centres(points), axis=1)[:, 0], axis=1)
    tip = (points[:, 30] - points[:, list(EYE_CORNERS)].mean(axis=1)) / eyes[:, None]
    return np.asarray(tip - np.median(tip, axis=0))


def _without(moved: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Return motions (T, D) without what a robust ridge regression on the head's (T, E) explains."""
    spread = np.nanstd(head, axis=0) + 1e-6
    given = np.clip(head / spread, -5, 5)
    known = np.isfinite(moved).all(axis=1) & np.isfinite(given).all(axis=1)
    if known.sum() < 2 * given.shape[1]:
        return moved
    x, y = given[known], moved[known]
    usual = 1.4826 * np.median(np.abs(y), axis=0) + FLOOR
    weight = np.ones(len(x))
    for _ in range(4):
        weighted = x * weight[:, None]
        factors = np.linalg.solve(weighted.T @ x + 0.01 * len(x) * np.eye(x.shape[1]), weighted.T @ y)
        left = np.linalg.norm((y - x @ factors) / usual, axis=1)
        weight = 1 / np.maximum(1, (left / (2 * np.median(left) + 1e-9)) ** 2)
    return np.asarray(moved - given @ factors)
