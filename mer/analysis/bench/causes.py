"""Why a spotter took something for an expression: by rules on what else the face did at that time.

The first rule that holds names the cause:

- `cut or occlusion`: within `NEAR` s of the interval there is a cut, or no face.
- `blink`: a blink overlaps the interval, or the `NEAR` s on either side of it.
- `head`: within the interval the head moves faster than `SPEED` distances between the eyes per second, or turns faster
  than `TURNING` (about 100 times as many degrees per second).
- `cut or occlusion`, again: in the interval the face is followed poorly (quality below .5) though the head is calm.
- `speech`: within `SPOKEN` s of the apex, opening or width of the mouth goes up and down at least `REVERSALS` times by
  `OPENED` distances between the eyes or more.
- `macro`: the face does not return: from just before the interval to just after it, the motion is at least `STAYS` of
  that from just before it to the apex. It is the onset or the end of something longer.
- `other`: none of these.

A rule says what was there, not what the spotter looked at; the limits were chosen by eye on films of four people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mer.analysis.bench.tracked import Tracked

CAUSES = ("blink", "speech", "head", "macro", "cut or occlusion", "other")
NEAR = 0.1
SPEED = 0.5
TURNING = 0.2
SPOKEN = 0.6
REVERSALS = 3
OPENED = 0.03
STAYS = 0.75


def cause_of(candidate: Mapping[str, Any], tracked: Tracked, stays: float) -> str:
    """Return the most likely cause of a false alarm, one of `CAUSES`.

    Args:
        candidate: with `onset`, `apex` and `offset`, frames from 0.
        tracked: what is known of every frame of the film.
        stays: share of the motion that is left after the interval (`mer.analysis.bench.tracked`); NaN when unknown.
    """
    signals, fps = tracked.signals, tracked.signals.fps
    onset, apex, offset = (int(candidate[name]) for name in ("onset", "apex", "offset"))
    near = max(1, round(NEAR * fps))
    about, inside = slice(max(0, onset - near), offset + near + 1), slice(onset, offset + 1)
    if tracked.blind[about].any() or any(onset - near <= cut <= offset + near for cut in tracked.cuts):
        return "cut or occlusion"
    if signals.blinking[about].any():
        return "blink"
    if _most(signals.speed[inside]) > SPEED or _most(signals.turning[inside]) > TURNING:
        return "head"
    if tracked.weak[inside].any():
        return "cut or occlusion"
    wide = round(SPOKEN * fps)
    spoken = slice(max(0, apex - wide), apex + wide + 1)
    if max(reversals(line[spoken], OPENED) for line in (signals.mouth_opening, signals.mouth_width)) >= REVERSALS:
        return "speech"
    return "macro" if stays >= STAYS else "other"


def reversals(values: np.ndarray, least: float) -> int:
    """Return how often values (T,) turn, up or down, counting swings of at least `least`; NaN is left out."""
    seen = values[np.isfinite(values)]
    if not len(seen):
        return 0
    turns, heading = 0, 0
    low = high = float(seen[0])
    for value in seen.tolist():
        if heading >= 0 and high - value >= least:
            turns, heading, low = turns + (heading > 0), -1, value
        elif heading <= 0 and value - low >= least:
            turns, heading, high = turns + (heading < 0), 1, value
        low, high = min(low, value), max(high, value)
    return turns


def _most(values: np.ndarray) -> float:
    seen = values[np.isfinite(values)]
    return float(seen.max()) if len(seen) else 0.0
