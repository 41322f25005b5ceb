"""Moments at which a movement may have its apex, and what is known of each: what `mer.spotting.faces` judges.

A moment is a peak along time of the best template's score. Its features say how well the movement fits the template,
whether the face returns, what moves besides, and whether it is quiet before and after. How the head moves, how lively a
person is or which regions moved says more of who is filmed than of the movement: trees that see it learn the people
they were trained on (docs/analyze.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from mer.motion.face_signals import FaceSignals
from mer.spotting.evidence import Evidence
from mer.spotting.region_motion import RegionMotion
from mer.spotting.there_and_back import cosine, course, returned, takes_part
from mer.spotting.unit_templates import GROUP_OF, GROUPS

LEAST = 2.5  # standard deviations
APART = 0.2  # seconds between two moments, at least
BLINK_NEAR = 0.15  # seconds from a blink to what its lids do to the regions around
CORE = 0.3  # seconds to either side that belong to a movement
NEAR = (0.35, 1.2)  # seconds before and after that should be quiet
TALK = 1.5  # seconds to either side in which lips that open and close are speech


@dataclass(frozen=True)
class Moment:
    """A peak: index of the moment, of the step (half its duration) and of the template, and what is known of it."""

    at: int
    step: int
    template: int
    told: Mapping[str, float]

    @property
    def features(self) -> np.ndarray:
        """What is known, (F,) float32."""
        return np.array(list(self.told.values()), np.float32)


def moments(seen: Evidence, motion: RegionMotion, signals: FaceSignals) -> list[Moment]:
    """Return the moments of a recording in order of time; signals are those of its pictures."""
    if not seen.scores.size:
        return []
    best = seen.scores.max(axis=(0, 2))
    peaks, _ = find_peaks(np.concatenate([[0], best, [0]]), height=LEAST, distance=max(1, round(APART * seen.rate)))
    found = []
    for at in (peaks - 1).tolist():
        step, template = np.unravel_index(int(seen.scores[:, at].argmax()), seen.scores[:, at].shape)
        told = features(seen, motion, signals, best, at, int(step), int(template))
        found.append(Moment(at, int(step), int(template), told))
    return found


def features(
    seen: Evidence, motion: RegionMotion, signals: FaceSignals, best: np.ndarray, at: int, step: int, template: int
) -> dict[str, float]:
    """Return what is known of a moment, by name; `best` (T,) is the score of the best template at every moment."""
    opening = np.nan_to_num(_window(signals.mouth_opening, at, -TALK, TALK, seen.rate))
    return {
        **_fit(seen, at, step, template),
        **_beside(seen, at, step, template),
        **returned(seen, at, template, course(seen, at, step, template)),
        **_around(seen, best, at, step, template),
        "unexplained": _unexplained(motion, at, step),
        "talk": float(opening.std()),
        "blink": float(blinks_at(signals, at, seen.rate)),
        "quality": float(motion.quality[at]),
    }


def _fit(seen: Evidence, at: int, step: int, template: int) -> dict[str, float]:
    """Tell how well bump and template agree, and how much of it returns."""
    weights, scale = seen.weights(step, at), seen.scales[step, at]
    bump, rest, vector = seen.bumps[step, at], seen.rests[step, at], seen.templates[template].moved.ravel()
    weighted = weights @ vector
    power = float(vector @ weighted)
    score = float(seen.scores[step, at, template])
    amplitude, back = float(bump @ weighted) / power, float(rest @ weighted) / power
    energy, unrest = float(bump @ weights @ bump), float(rest @ weights @ rest)
    return {
        "score": score,
        "amplitude": float(np.log(max(amplitude, 0) + 1e-4)),
        "explained": score**2 / max(energy, 1e-6),
        "energy left": float(np.log(max(energy - score**2, 0) + 1)),
        "unrest": float(np.log(max(unrest, 0) + 1)),
        "likeness in deviations": cosine(bump / scale, vector / scale),
        "likeness": cosine(bump, vector),
        "left of it": back / max(amplitude, 1e-4),
        "second group": sorted(_by_group(seen, at), reverse=True)[1] / score,
        "step": float(step),
    }


def _by_group(seen: Evidence, at: int) -> list[float]:
    scores = seen.scores[:, at].max(axis=0)
    first = [GROUP_OF[one.units[0]] for one in seen.templates]
    return [max((float(s) for s, g in zip(scores, first, strict=True) if g == name), default=0.0) for name in GROUPS]


def _beside(seen: Evidence, at: int, step: int, template: int) -> dict[str, float]:
    """Tell what the regions of the template and the others do, in deviations from what is usual."""
    inside = takes_part(seen.templates[template].moved)
    scale = seen.scales[step, at]
    bump, rest = ((a[step, at] / scale).reshape(-1, 2) for a in (seen.bumps, seen.rests))
    return {
        "does not return": float(np.linalg.norm(rest[inside]) / (np.linalg.norm(bump[inside]) + 0.1)),
        "elsewhere": _mean_length(bump[~inside]),
        "inside": _mean_length(bump[inside]),
    }


def _around(seen: Evidence, best: np.ndarray, at: int, step: int, template: int) -> dict[str, float]:
    """Tell how the movement stands out from the seconds around."""
    speed = np.nan_to_num(seen.along(seen.shortest, at, template))
    core = _rms(_window(speed, at, -CORE, CORE, seen.rate))
    spans = (-NEAR[1], -NEAR[0]), NEAR
    beside = sum(_rms(_window(speed, at, *span, seen.rate)) for span in spans)
    peak = max(float(_window(best, at, *span, seen.rate).max(initial=0.0)) for span in spans)
    return {"motion around": beside / (2 * core + 1e-5), "score around": peak / float(seen.scores[step, at, template])}


def _unexplained(motion: RegionMotion, at: int, step: int) -> float:
    """Return how much motion neither head nor regions explain, hundredths of the eye distance."""
    first = max(at - int(motion.steps[step]), 0)
    known = motion.unexplained[step, first : at + 1]
    return 100 * float(known[np.isfinite(known)].mean()) if np.isfinite(known).any() else 0.0


def blinks_at(signals: FaceSignals, at: int, rate: float) -> bool:
    """Tell whether the lids close and open about a moment."""
    return bool(_window(signals.blinking, at, -BLINK_NEAR, BLINK_NEAR, rate).any())


def _window(values: np.ndarray, at: int, start: float, stop: float, rate: float) -> np.ndarray:
    return values[max(0, round(at + start * rate)) : max(0, min(len(values), round(at + stop * rate) + 1))]


def _mean_length(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors)) / float(np.sqrt(max(len(vectors), 1)))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean())) if len(values) else 0.0
