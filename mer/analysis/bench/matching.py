"""Which implants a spotter found, and which of its candidates are false alarms.

An implant is found when the apex of a candidate lies within it. Each candidate counts once, and of several within one
implant the most confident one found it. Every other candidate is a false alarm, whether the control has it, too, or
not: without labels nobody knows whether the person made an expression there, so their rate is an upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer.metrics.spotting import Counts, as_intervals, count
from mer.simulate.implant import Implant

IOU = 0.5
SAME = 0.1  # seconds within which the apexes of two films belong to one movement
Candidate = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What one spotter said of one film.

    Args:
        candidates: as the intervals of `analysis.json`, each with its `cause` were it false.
        weaker: (K, 2) float64 frame and score of the other peaks of the score, below the threshold.
        threshold: what a candidate exceeds.
        classes: that it names.
    """

    candidates: Sequence[Candidate]
    weaker: np.ndarray
    threshold: float
    classes: Sequence[str] = ()


@dataclass(frozen=True)
class Scored:
    """What was found in one film.

    Args:
        film: its name.
        person: whose face it shows; films of one person are one group.
        minutes: in which the face is followed well.
        found: each implant with the candidate that found it.
        alarms: the other candidates.
        repeated: of the alarms, those that the film without implants has at the same time.
        lucky: of the implants found, those where the film without implants has a candidate, too.
        counts: of intervals, by their overlap.
        strengths: (N,) best score within each implant, below the threshold too; -inf where there is no peak.
        others: (K,) scores of all peaks that found nothing.
        said: everything.
        simulated: the person is; alarms have `true_causes`.
    """

    film: str
    person: str
    minutes: float
    found: Sequence[tuple[Implant, Candidate | None]]
    alarms: Sequence[Candidate]
    repeated: int
    lucky: int
    counts: Counts
    strengths: np.ndarray
    others: np.ndarray
    said: Said
    simulated: bool = False


def score_film(
    film: str, person: str, seconds: float, fps: float, implants: Sequence[Implant], said: Said, control: Said | None
) -> Scored:
    """Compare what was said of a film with what was implanted, and with what was said of it without implants.

    Args:
        film: its name.
        person: whose face it shows.
        seconds: in which the face is followed well.
        fps: frames per second.
        implants: of the film; none when it is a control.
        said: of it.
        control: of the same film without implants; None when this is the control.
    """
    left, found, strengths = list(said.candidates), [], []
    weaker = np.asarray(said.weaker, np.float64).reshape(-1, 2)
    before = [one["apex"] for one in control.candidates] if control else []
    lucky = 0
    for one in implants:
        inside = [c for c in left if one.onset <= c["apex"] <= one.offset]
        best = max(inside, key=lambda c: c["confidence"], default=None)
        found.append((one, best))
        left = [c for c in left if c is not best]
        here = (weaker[:, 0] >= one.onset) & (weaker[:, 0] <= one.offset)
        top = float(weaker[here, 1].max()) if here.any() else -np.inf
        strengths.append(float(best["confidence"]) if best else top)
        if not best and here.any():
            weaker = np.delete(weaker, np.flatnonzero(here)[np.argmax(weaker[here, 1])], axis=0)
        lucky += best is not None and any(one.onset <= apex <= one.offset for apex in before)
    true, predicted = ([(c.onset, c.offset) for c in implants], [(c["onset"], c["offset"]) for c in said.candidates])
    return Scored(
        film=film,
        person=person,
        minutes=seconds / 60,
        found=found,
        alarms=left,
        repeated=sum(any(abs(c["apex"] - apex) <= SAME * fps for apex in before) for c in left),
        lucky=lucky,
        counts=count(as_intervals(true), as_intervals(predicted), IOU),
        strengths=np.array(strengths),
        others=np.array([*(c["confidence"] for c in left), *weaker[:, 1]]),
        said=said,
    )


def sweep(films: Sequence[Scored], points: int = 200) -> list[tuple[float, float, float]]:
    """Return (threshold, false alarms a minute, share of implants found), from the highest threshold to the lowest.

    Below the lowest score of any peak nothing changes. At most `points` thresholds are returned, evenly spread over
    the peaks.
    """
    minutes = sum(one.minutes for one in films)
    strengths = np.concatenate([np.zeros(0), *(one.strengths for one in films)])
    others = np.concatenate([np.zeros(0), *(one.others for one in films)])
    levels = np.unique(np.concatenate([strengths[np.isfinite(strengths)], others]))[::-1]
    if len(levels) > points:
        levels = levels[np.linspace(0, len(levels) - 1, points).round().astype(int)]
    if not minutes:
        return []
    total = max(len(strengths), 1)
    return [(float(t), float((others >= t).sum() / minutes), float((strengths >= t).sum() / total)) for t in levels]
