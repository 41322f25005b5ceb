"""How scores become intervals under the `fixed` protocol, learned from training persons alone.

The published p = 0.55 was chosen on the test subjects, and every threshold relative to a video's own maximum finds
something in a video without expressions (specs/mean-softnet.md D1, D4). Here the smoothing, the absolute threshold
and the width of an interval are those with the best F1 on inner parts of training persons, scored by networks that
did not see them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer.metrics.spotting import Counts, count, total
from mer.spotting.decode import Decoding, decode_fixed, window_mean

SMOOTHINGS = (0.25, 0.5, 1.0)
SPREADS = (0.3, 0.5, 0.7)
LEVELS = 24


@dataclass(frozen=True)
class Scored:
    """One recording with its scores (P,), true intervals (E, 2) in frames, number of frames and pair distance."""

    score: np.ndarray
    truth: np.ndarray
    length: int
    distance: int


def choose(recordings: Sequence[Scored], half: int) -> tuple[Decoding, Counts]:
    """Return the decoding with the largest F1 on recordings, and its counts; of equals the highest threshold.

    Args:
        recordings: scored by networks that did not see them.
        half: k_p of the training persons.
    """
    spans = np.concatenate([np.zeros((0, 2), np.int64), *(r.truth for r in recordings)])
    lengths = spans[:, 1] - spans[:, 0] + 1 if len(spans) else np.array([2 * half + 1])
    shortest, longest = int(lengths.min()), int(np.ceil(1.3 * lengths.max()))
    best: tuple[tuple[float, float], Decoding, Counts] | None = None
    for share, spread in itertools.product(SMOOTHINGS, SPREADS):
        window = max(1, round(share * half))
        for threshold in _levels(recordings, window):
            decoding = Decoding(half, window, threshold, spread, longest, shortest)
            spotted = [decode_fixed(r.score, decoding, r.length, r.distance // 2).intervals for r in recordings]
            counts = total(count(r.truth, spans) for r, spans in zip(recordings, spotted, strict=True))
            key = (counts.f1, threshold)
            if best is None or key > best[0]:
                best = (key, decoding, counts)
    assert best is not None
    return best[1], best[2]


def _levels(recordings: Sequence[Scored], window: int) -> list[float]:
    """Return candidate thresholds: spread evenly over the upper scores of all recordings."""
    values = np.concatenate([window_mean(r.score, window, "present") for r in recordings])
    shares = 1 - np.geomspace(0.3, max(1e-4, 1 / len(values)), LEVELS)
    return sorted({float(v) for v in np.quantile(values, shares)})
