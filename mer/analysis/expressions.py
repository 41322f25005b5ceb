"""From the features of a video's parts to one score along time, and to intervals with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mer.analysis.parts import DOUBTS, AlignedVideo, Track
from mer.spotting.region_motion import RegionMotion

WEAK = 0.5  # quality below which an interval is called doubtful
DECIDED = 0.5  # probability of a class below which none is named
SEVERAL = "several faces in the picture, of which one is followed"


@dataclass(frozen=True)
class Curve:
    """The smoothed score (N,) of one kind from frame `start` of the grid on, and the threshold of its peaks."""

    kind: str
    start: int
    score: np.ndarray
    threshold: float


@dataclass(frozen=True)
class Expression:
    """One interval, in frames of the grid; `scores` are class probabilities, empty when it was not named.

    `motion` is the mean length of the motion between onset and apex in each facial region, in shares of the distance
    between the eyes; `words` say what moved, whether it came back, and what else the face did.
    """

    kind: str
    onset: int
    apex: int
    offset: int
    confidence: float
    quality: float
    warnings: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    motion: Mapping[str, float] = field(default_factory=dict)
    words: str = ""

    @property
    def emotion(self) -> str:
        """The class that is more probable than all others together, '' where there is none."""
        best = max(self.scores, key=lambda name: self.scores[name], default="")
        return best if best and self.scores[best] >= DECIDED else ""


@dataclass(frozen=True)
class LeftOut:
    """A peak above the threshold that is no candidate, in frames of the grid, and why."""

    kind: str
    onset: int
    offset: int
    reason: str


@dataclass(frozen=True)
class Spotted:
    """What a video holds.

    Args:
        curves: a score for each kind.
        expressions: the candidates in order of time.
        left_out: the peaks that are none.
        motion: of the regions, where that is what was spotted in.
    """

    curves: Sequence[Curve]
    expressions: Sequence[Expression]
    left_out: Sequence[LeftOut]
    motion: RegionMotion | None = None


def unseen(track: Track, first: int, last: int, peak: int) -> str:
    """Return why nothing can be said of an interval, '' where something can."""
    if track.blind[peak]:
        return "no face at its peak"
    return "a cut lies in it" if any(first < cut <= last for cut in track.cuts) else ""


def strongest(expressions: Sequence[Expression]) -> list[Expression]:
    """Return the intervals without those that overlap a stronger one of their kind.

    Two peaks may lie on one slow slope and end in intervals of almost the same frames.
    """
    kept: list[Expression] = []
    for one in sorted(expressions, key=lambda e: -e.confidence):
        same = (other for other in kept if other.kind == one.kind)
        if not any(one.onset <= other.offset and other.onset <= one.offset for other in same):
            kept.append(one)
    return kept


def warnings_of(video: AlignedVideo, track: Track, first: int, last: int, quality: float) -> tuple[str, ...]:
    """Return what makes an interval doubtful."""
    inside = slice(first, last + 1)
    warnings = []
    if track.blind[inside].any():
        warnings.append("the face is lost during it")
    elif quality < WEAK:
        warnings.append(f"the face was followed poorly (quality {quality:.2f})")
    bits = int(np.bitwise_or.reduce(track.doubt[inside]))
    # A smile changes the face as much as a hand in front of it, but is followed well.
    weak = {"hidden or changed"} if quality >= WEAK else set()
    warnings += [text for bit, (name, text) in enumerate(DOUBTS.items()) if bits >> bit & 1 and name not in weak]
    if track.faces.get(video.part_at(first).number, 0) > 1:
        warnings.append(SEVERAL)
    return tuple(warnings)


def cut_off(first: int, last: int, length: int, distance: int) -> tuple[str, ...]:
    """Return a warning for an interval that begins or ends with the first or last frame pair of a video."""
    early, late = first <= distance // 2, last >= length - 1 - (distance - distance // 2)
    return (f"cut off by the {'beginning' if early else 'end'} of the video",) if early or late else ()
