"""Moments at which a movement may have its apex, and what is known of each: what `mer.spotting.faces` judges.

A moment is a peak along time of the best template's score. Its features say how well the movement fits the template,
whether the face returns, what moves besides, whether it is quiet before and after, and what eyes, mouth and head do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from mer.motion.face_signals import FaceSignals
from mer.motion.facial_regions import ZONES, in_zone
from mer.spotting.evidence import Evidence
from mer.spotting.region_motion import RegionMotion
from mer.spotting.unit_templates import GROUP_OF, GROUPS

LEAST = 2.5  # standard deviations
APART = 0.2  # seconds between two moments, at least
BLINK_NEAR = 0.15  # seconds from a blink to what its lids do to the regions around
CORE = 0.3  # seconds to either side that belong to a movement
NEAR = (0.35, 1.2)  # seconds before and after that should be quiet
LONG = 2.5  # seconds to either side that tell how lively a person is
TAKES_PART = 0.25  # of a template's largest motion: a region that moves less does not
ZONE_PLACES = [in_zone(zone) for zone in ZONES]


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
    return {
        **_fit(seen, at, step, template),
        **_beside(seen, at, step, template),
        **_course(seen, best, at, step, template),
        **_head(motion, signals, at, step, seen.rate),
        **_eyes_and_mouth(signals, at, seen.rate),
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
    group_best = sorted(_by_group(seen, at), reverse=True)
    one = seen.templates[template]
    return {
        "score": score,
        "amplitude": float(np.log(max(amplitude, 0) + 1e-4)),
        "explained": score**2 / max(energy, 1e-6),
        "energy": float(np.log(max(energy, 1e-6))),
        "energy left": float(np.log(max(energy - score**2, 0) + 1)),
        "unrest": float(np.log(max(unrest, 0) + 1)),
        "likeness in deviations": _cosine(bump / scale, vector / scale),
        "likeness": _cosine(bump, vector),
        "left of it": back / max(amplitude, 1e-4),
        **{f"score at step {k}": float(seen.scores[k, at, template]) / score for k in range(len(seen.steps))},
        "second group": group_best[1] / score,
        "step": float(step),
        "units": float(len(one.units)),
        "one-sided": float(bool(one.side)),
        **{name: float(name in one.groups) for name in GROUPS},
    }


def _by_group(seen: Evidence, at: int) -> list[float]:
    scores = seen.scores[:, at].max(axis=0)
    first = [GROUP_OF[one.units[0]] for one in seen.templates]
    return [max((float(s) for s, g in zip(scores, first, strict=True) if g == name), default=0.0) for name in GROUPS]


def _beside(seen: Evidence, at: int, step: int, template: int) -> dict[str, float]:
    """Tell what the regions of the template and the others do, in hundredths of the eye distance and in deviations."""
    moved = np.linalg.norm(seen.templates[template].moved, axis=1)
    inside = moved > TAKES_PART * moved.max()
    bump, rest, scale = (a.reshape(-1, 2) for a in (seen.bumps[step, at], seen.rests[step, at], seen.scales[step, at]))
    relative = bump / scale
    return {
        "does not return": _length(rest[inside]) / (_length(bump[inside]) + 1e-4),
        "does not return, in deviations": _length((rest / scale)[inside]) / (_length(relative[inside]) + 0.1),
        "elsewhere": 100 * _mean_length(bump[~inside]),
        "elsewhere, in deviations": _mean_length(relative[~inside]),
        "inside, in deviations": _mean_length(relative[inside]),
        **{f"motion of {zone}": 100 * _mean_length(bump[k]) for zone, k in zip(ZONES, ZONE_PLACES, strict=True)},
    }


def _course(seen: Evidence, best: np.ndarray, at: int, step: int, template: int) -> dict[str, float]:
    """Tell how the movement stands out from the seconds around."""
    speed = speed_along(seen, at, template)
    core = _rms(_window(speed, at, -CORE, CORE, seen.rate))
    before = _rms(_window(speed, at, -NEAR[1], -NEAR[0], seen.rate))
    after = _rms(_window(speed, at, *NEAR, seen.rate))
    score = float(seen.scores[step, at, template])
    own = seen.scores[:, :, template].max(axis=0)
    low, high = extent(own, at, 0.5)
    peaks = [float(_window(best, at, *span, seen.rate).max(initial=0.0)) for span in ((-NEAR[1], -NEAR[0]), NEAR)]
    return {
        "motion within": 100 * core,
        "motion before": 100 * before,
        "motion after": 100 * after,
        "motion around": (before + after) / (2 * core + 1e-5),
        "width": (high - low) / seen.rate,
        "score before": peaks[0],
        "score after": peaks[1],
        "score around": max(peaks) / score,
        "liveliness": float(np.mean(_window(best, at, -LONG, LONG, seen.rate))),
        "usual liveliness": float(np.median(best)),
    }


def speed_along(seen: Evidence, at: int, template: int) -> np.ndarray:
    """Return the motion (T,) along a template over the shortest step, in eye distances, as weighed at a moment."""
    vector = seen.templates[template].moved.ravel()
    weighted = seen.weights(0, at) @ vector
    return np.asarray(np.nan_to_num(seen.shortest @ weighted / (vector @ weighted)))


def extent(values: np.ndarray, at: int, share: float) -> tuple[int, int]:
    """Return the first places before and after one at which values (T,) have fallen to a share of its value."""
    below = np.flatnonzero(values <= share * values[at])
    after = int(np.searchsorted(below, at))
    return (int(below[after - 1]) if after else 0), (int(below[after]) if after < len(below) else len(values) - 1)


def _head(motion: RegionMotion, signals: FaceSignals, at: int, step: int, rate: float) -> dict[str, float]:
    """Tell how the head moves."""
    wide = int(motion.steps[step])
    first, last = max(at - wide, 0), min(at + wide, len(motion) - 1)
    here = np.array([signals.x, signals.y, signals.zoom, np.deg2rad(signals.roll)])
    bump = np.abs(np.nan_to_num(here[:, at] - (here[:, first] + here[:, last]) / 2))
    gone = np.abs(np.nan_to_num(here[:, last] - here[:, first]))
    earlier, later = np.nan_to_num(motion.head[step, first]), np.nan_to_num(motion.head[step, at])
    nod, drift = np.abs(earlier - later) / 2, np.abs(earlier + later)
    speed = _window(np.nan_to_num(signals.speed), at, -CORE, CORE, rate)
    names = ("x", "y", "zoom", "roll")
    return {
        **{f"head's bump in {name}": 100 * float(value) for name, value in zip(names, bump, strict=True)},
        **{f"head's way in {name}": 100 * float(value) for name, value in zip(names, gone, strict=True)},
        "shift in the crop": 100 * float(nod[:2].sum()),
        "stretch in the crop": 100 * float(nod[2:6].sum()),
        "turn in the crop": 100 * float(nod[6:].sum()),
        "way of the turn": 100 * float(drift[6:].sum()),
        "head's speed": float(speed.mean()),
        "head's top speed": float(speed.max()),
        "unexplained": 100 * float(np.nan_to_num(np.nanmean(motion.unexplained[step, first : at + 1]))),
    }


def _eyes_and_mouth(signals: FaceSignals, at: int, rate: float) -> dict[str, float]:
    """Tell what lids and lips do, against what they usually do."""
    level = np.nanmedian(signals.eyes) if np.isfinite(signals.eyes).any() else 1.0
    eyes = np.nan_to_num(_window(signals.eyes / level, at, -CORE, CORE, rate), nan=1.0)
    opening, width = (
        np.nan_to_num(_window(values, at, -CORE, CORE, rate)) for values in (signals.mouth_opening, signals.mouth_width)
    )
    talking = np.nan_to_num(_window(signals.mouth_opening, at, -1.5, 1.5, rate))
    return {
        "blink": float(blinks_at(signals, at, rate)),
        "eyes at their narrowest": float(eyes.min()),
        "change of the eyes": float(np.ptp(eyes)),
        "change of the mouth's opening": float(np.ptp(opening)),
        "change of the mouth's width": float(np.ptp(width)),
        "talk": float(talking.std()),
    }


def blinks_at(signals: FaceSignals, at: int, rate: float) -> bool:
    """Tell whether the lids close and open about a moment."""
    return bool(_window(signals.blinking, at, -BLINK_NEAR, BLINK_NEAR, rate).any())


def _window(values: np.ndarray, at: int, start: float, stop: float, rate: float) -> np.ndarray:
    return values[max(0, round(at + start * rate)) : max(0, min(len(values), round(at + stop * rate) + 1))]


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))


def _length(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors))


def _mean_length(vectors: np.ndarray) -> float:
    return _length(vectors) / float(np.sqrt(max(len(vectors), 1)))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean())) if len(values) else 0.0
