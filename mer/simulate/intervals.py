"""Where in a recording its expressions lie, in frame numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mer.simulate.params import SimulateParams
from mer.simulate.plan import Interval

APEX_FRACTION = (0.34, 0.58)
LEAD_SECONDS, GAP_SECONDS = (0.25, 0.4), (0.45, 0.75)


def draw_interval(params: SimulateParams, rng: np.random.Generator, apex_fraction: float | None = None) -> Interval:
    """Draw where the one expression of a recording lies, in 1-based frame numbers.

    The apex lies at `APEX_FRACTION` of the way, or at `apex_fraction` (0.5 is the exact midpoint).
    """
    length = round(float(rng.uniform(params.shortest, params.longest)) * params.fps)
    fraction = float(rng.uniform(*APEX_FRACTION)) if apex_fraction is None else apex_fraction
    lead, tail = rng.uniform(0.1, 0.3, 2) * params.fps
    onset = 1 + round(float(lead))
    length += length % 2 if apex_fraction == 0.5 else 0
    apex = onset + min(max(round(length * fraction), 2), length - 2)
    return Interval(onset, apex, onset + length, onset + length + round(float(tail)))


def draw_seconds(params: SimulateParams, rng: np.random.Generator, macro: bool = False) -> float:
    """Draw the duration of an expression in seconds; a macro-expression lasts 0.55 to 0.9 s, or a micro-one and 0.2."""
    if macro:
        return float(max(rng.uniform(0.55, 0.9), params.longest + 0.2))
    return float(rng.uniform(params.shortest, params.longest))


def lay_out(
    fps: float,
    seconds: Sequence[float],
    rng: np.random.Generator,
    first: int = 1,
    centred: Sequence[bool] = (),
    total: float = 0.0,
) -> tuple[list[Interval], int]:
    """Return where expressions of the given durations lie one after the other in a recording, and its last number.

    Args:
        first: number of the recording's first frame.
        centred: which apexes to put exactly halfway, because the table will not give them; none when empty.
        total: least length of the recording in seconds; what is left over is shared out at random among the rests.
    """
    at = first + round(float(rng.uniform(*LEAD_SECONDS)) * fps)
    spare = max(0.0, total - sum(seconds) - GAP_SECONDS[1] * (len(seconds) + 1))
    pauses = (
        [round(float(share) * spare * fps) for share in rng.dirichlet(np.full(len(seconds) + 1, 3.0))] if spare else []
    )
    at += pauses.pop() if pauses else 0
    places: list[tuple[int, int, int]] = []
    for duration, halfway in zip(seconds, centred or [False] * len(seconds), strict=True):
        length = max(4, round(duration * fps))
        length += length % 2 if halfway else 0
        fraction = 0.5 if halfway else float(rng.uniform(*APEX_FRACTION))
        places.append((at, at + min(max(round(length * fraction), 2), length - 2), at + length))
        at += length + round(float(rng.uniform(*GAP_SECONDS)) * fps)
        at += pauses.pop() if len(pauses) > 1 else 0
    last = (places[-1][2] if places else at) + round(float(rng.uniform(*LEAD_SECONDS)) * fps) + sum(pauses)
    return [Interval(*interval, recorded=last) for interval in places], last
