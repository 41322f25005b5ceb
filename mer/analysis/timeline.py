"""What runs along a video, as the page's timeline draws it: scores, motion of regions, eyes, mouth and head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mer.analysis.recording_signals import RegionCurves
from mer.analysis.results import Result
from mer.motion.face_signals import FaceSignals
from mer.report.charts import thinned

RATE = 25.0  # values per second of a curve that are drawn
DIGITS = 3
HIGHEST_MOTION = 0.008  # distances between the eyes: the least full height of a region's curve
FASTEST = 0.5  # distances between the eyes per second: the least full height of the head's
WIDEST_MOUTH = 0.15
OPEN_EYE = 0.35


def lanes(result: Result, signals: FaceSignals, regions: RegionCurves) -> list[dict[str, Any]]:
    """Return the lanes of the timeline, from the top: each with a name, what it means, a scale and a curve.

    A curve is `start` and `step` in seconds and `values`, None where nothing is known, or `seconds` and `values`.
    """
    fps = result.footage.fps
    out = [_score(result, place) for place in range(len(result.curves))]
    top = _ceiling(regions.values, HIGHEST_MOTION)
    for name, values in zip(regions.names, regions.values, strict=True):
        known = {"seconds": _rounded(regions.seconds, 2), "values": _rounded(values)}
        out.append({"kind": "region", "name": name, "unit": regions.meaning, "low": 0.0, "high": top, **known})
    eyes = {"marks": [[a / fps, (b + 1) / fps] for a, b in signals.blinks], "low": 0.0}
    out.append({"kind": "signal", "name": "eyes open", "unit": "lids over width; bars are blinks",
                "high": _ceiling(signals.eyes, OPEN_EYE), **eyes, **_even(signals.eyes, fps)})  # fmt: skip
    lips = _even(signals.mouth_opening, fps)
    out.append({"kind": "signal", "name": "mouth open", "unit": "inner lips", "low": 0.0,
                "high": _ceiling(signals.mouth_opening, WIDEST_MOUTH), **lips})  # fmt: skip
    fastest = _ceiling(np.stack([signals.speed, signals.turning]), FASTEST)
    for name, values in (("head moves", signals.speed), ("head turns", signals.turning)):
        unit = "eye distances per second"
        out.append({"kind": "signal", "name": name, "unit": unit, "low": 0.0, "high": fastest, **_even(values, fps)})
    return out


def numbers_of(result: Result) -> dict[str, Any] | list[int]:
    """Return the frame numbers of the grid: `first` and `step` where they are even, else all of them."""
    numbers = result.footage.numbers.tolist()
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    if numbers == list(range(numbers[0], numbers[0] + step * len(numbers), step or 1)):
        return {"first": numbers[0], "step": step}
    return [int(number) for number in numbers]


def shaded(result: Result) -> list[dict[str, Any]]:
    """Return the stretches in which nothing can be said, and the peaks that were left out, in seconds."""
    fps = result.footage.fps
    gaps = [{"kind": "gap", "from": a / fps, "to": (b + 1) / fps, "why": why} for a, b, why in result.gaps()]
    return gaps + [
        {"kind": "left-out", "lane": one.kind, "from": one.onset / fps, "to": (one.offset + 1) / fps, "why": one.reason}
        for one in result.left_out
    ]


def _score(result: Result, place: int) -> dict[str, Any]:
    curve, fps = result.curves[place], result.footage.fps
    seconds = (np.arange(len(curve.score)) + curve.start) / fps
    score = np.asarray(curve.score, float)
    seconds, score = thinned(seconds, score, max(2, round(RATE * len(score) / fps)))
    low = min(0.0, float(score.min(initial=0.0)))
    high = 1.08 * max(float(score.max(initial=0.0)), curve.threshold) or 1.0
    return {"kind": "score", "name": curve.kind, "unit": "score", "low": round(low, 4), "high": round(high, 4),
            "threshold": curve.threshold, "seconds": _rounded(seconds), "values": _rounded(score, 4)}  # fmt: skip


def _even(values: np.ndarray, fps: float) -> dict[str, Any]:
    step = max(1, int(fps / RATE))
    return {"start": 0.5 / fps, "step": step / fps, "values": _rounded(values[::step])}


def _ceiling(values: np.ndarray, least: float) -> float:
    known = values[np.isfinite(values)]
    return round(max(least, float(np.quantile(known, 0.995)) if len(known) else 0.0), 4)


def _rounded(values: np.ndarray | Sequence[float], digits: int = DIGITS) -> list[float | None]:
    return [round(value, digits) if np.isfinite(value) else None for value in np.asarray(values, float).tolist()]


def clock(seconds: float, step: float = 0.01) -> str:
    """Return a time as people write it: 3.5 s, 1:04, 1:02:03."""
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
    seconds = round(seconds, digits)
    if seconds < 60:
        return f"{seconds:.{digits}f} s"
    whole, rest = divmod(seconds, 60)
    tail = f"{rest:05.2f}" if step < 1 else f"{rest:02.0f}"
    hours, minutes = divmod(int(whole), 60)
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
