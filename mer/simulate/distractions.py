"""What people do in long recordings besides showing expressions: they talk and turn their heads.

None of it is annotated: it is what a spotting system must not take for an expression. Everything lies in the rests
between expressions, clear of them, so that an expression's own truth does not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.expression import UnitPlan
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Interval, Recording
from mer.simulate.timeline import Turn

CLEAR = 0.6  # seconds between an expression and anything else
SYLLABLE = (0.14, 0.3)  # seconds
SPEECH = (1.2, 3.5)  # seconds
MOUTH = (10, 12, 14, 15, 17)
TURN_SECONDS = (0.5, 1.2)
SLOT = 4.0  # seconds of rest in which at most one thing happens


def rests(recording: Recording) -> Iterator[tuple[float, float]]:
    """Yield the spans of file numbers, at least a second long, in which nothing is annotated."""
    clear = CLEAR * recording.fps
    ends = [recording.numbers[0] - clear]
    ends += [number for event in recording.events for number in (event.onset, event.offset)]
    ends.append(recording.numbers[-1] + clear)
    for start, end in zip(ends[::2], ends[1::2], strict=True):
        if end - start > 2 * clear + recording.fps:
            yield start + clear, end - clear


def slots(recording: Recording, what: str, probability: float) -> Iterator[tuple[float, float, np.random.Generator]]:
    """Yield the parts of rests, `SLOT` seconds or shorter, in which something happens, each with its own generator."""
    for k, (start, end) in enumerate(rests(recording)):
        count = max(1, int((end - start) / (SLOT * recording.fps)))
        edges = np.linspace(start, end, count + 1)
        for n, (first, last) in enumerate(pairwise(edges)):
            rng = np.random.default_rng(derive_seed(recording.seed, what, k, n))
            if rng.random() < probability:
                yield float(first), float(last), rng


def speech(params: SimulateParams, recording: Recording) -> list[ClipPlan]:
    """Return the syllables that a person speaks: movements of the mouth, each planned like an expression."""
    syllables: list[ClipPlan] = []
    for first, last, rng in slots(recording, "speech", params.talk):
        end = min(last, first + rng.uniform(*SPEECH) * recording.fps)
        at = first
        while True:
            length = max(4, round(rng.uniform(*SYLLABLE) * recording.fps))
            if at + length > end:
                break
            syllables.append(_syllable(params, recording, at, length, rng))
            at += length * rng.uniform(0.75, 1.1)
    return syllables


def _syllable(
    params: SimulateParams, recording: Recording, at: float, length: int, rng: np.random.Generator
) -> ClipPlan:
    numbers = rng.choice(MOUTH, size=2, replace=False)
    peaks = params.intensity * rng.uniform(0.4, 1.3, 2)
    units = tuple(UnitPlan(int(n), "", float(p), 0.0, 0.0) for n, p in sorted(zip(numbers, peaks, strict=True)))
    onset = round(at)
    when = Interval(onset, onset + max(1, length // 2), onset + length, recorded=recording.numbers[-1])
    return recording.session.event("speech", "", units, when)


def turns(params: SimulateParams, recording: Recording, scale: float) -> tuple[Turn, ...]:
    """Return the turns of the head: away from its place and back, in the plane of the picture.

    Args:
        params: with the probability of a turn.
        recording: what is filmed.
        scale: frame size relative to 640x480.
    """
    turned = []
    for first, last, rng in slots(recording, "turn", params.turn):
        swing, hold = rng.uniform(*TURN_SECONDS, 2) * recording.fps
        if first + 2 * swing + hold > last:
            continue
        size = rng.uniform(0.5, 1.0, 4) * rng.choice([-1, 1], 4) * [16.0 * scale, 8.0 * scale, 0.10, 0.04]
        turned.append(Turn(first, float(swing), float(hold), tuple(float(v) for v in size)))
    return tuple(turned)


def with_speech(params: SimulateParams, recording: Recording) -> Recording:
    """Return the recording with the syllables among its events: what is filmed, not what is annotated."""
    return replace(recording, events=(*recording.events, *speech(params, recording)))
