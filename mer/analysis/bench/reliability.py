"""How far probabilities can be believed: expected calibration error in bins of equal mass.

The error is the mean, weighted by count, of |mean probability - share that came true| over bins that hold equally many
cases (Nixon et al., CVPR Workshops 2019, "adaptive calibration error" of the top class). With few cases it is biased
upwards: by chance alone each bin differs by about sqrt(p (1 - p) / cases), so the number of cases is always told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BINS = 10
LEAST = 10  # cases in a bin, as long as there is more than one


@dataclass(frozen=True)
class Bin:
    """Cases of neighbouring probability: how many, their mean probability, and the share that came true."""

    cases: int
    probability: float
    true: float


@dataclass(frozen=True)
class Reliability:
    """Bins from the lowest probability to the highest, and the expected calibration error, NaN without cases."""

    bins: tuple[Bin, ...]
    error: float

    @property
    def cases(self) -> int:
        """All of them."""
        return sum(one.cases for one in self.bins)


def reliability(probabilities: Sequence[float], true: Sequence[bool]) -> Reliability:
    """Return how probabilities (N,) agree with what came true (N,); equal ones share a bin.

    There are at most `BINS` bins of about `LEAST` cases or more.
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(true, np.float64)
    order = np.argsort(p, kind="stable")
    p, y = p[order], y[order]
    wanted = max(1, min(BINS, len(p) // LEAST))
    edges = {0, len(p)}
    for edge in np.linspace(0, len(p), wanted + 1)[1:-1]:
        # The first case of its probability, so that no two bins hold the same one.
        edges.add(int(np.searchsorted(p, p[int(edge)])))
    cuts = sorted(edges)
    parts = [slice(a, b) for a, b in pairwise(cuts)]
    bins = tuple(Bin(s.stop - s.start, float(p[s].mean()), float(y[s].mean())) for s in parts)
    gaps = [one.cases * abs(one.probability - one.true) for one in bins]
    return Reliability(bins, sum(gaps) / len(p) if len(p) else float("nan"))
