"""From the features of a video's parts to one score along time, and to intervals with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from mer.analysis.ensemble import Ensemble
from mer.analysis.parts import DOUBTS, AlignedVideo, Track
from mer.core.errors import ClipError, MediaError
from mer.spotting.naming_head import Pairs
from mer.spotting.recordings import blocks
from mer.spotting.region_motion import RegionMotion

WEAK = 0.5  # quality below which an interval is called doubtful
DECIDED = 0.5  # probability of a class below which none is named
NEAR_CUT = 2  # frames by which the landmarks' filter carries a cut to either side
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


def score_parts(video: AlignedVideo, ensemble: Ensemble, kind: str, track: Track) -> tuple[np.ndarray, int]:
    """Return the score (P,) float64 of every frame pair of the video, and the pair distance in frames.

    Pairs with a frame that shows no face, and pairs across a cut, get the lowest score: nothing is spotted in them.

    Raises:
        MediaError: no part has features.
    """
    footage, name, distance = video.footage, ensemble.features_of(kind), 0
    pieces: dict[int, np.ndarray] = {}
    for part in video.parts:
        with video.clip(part, name) as clip:
            if clip is None:
                continue
            distance = int(clip.attributes["distance"])
            traced = [ensemble.traces(kind, block) for block in blocks(clip.lazy("features"))]
            pieces[part.start] = np.concatenate(traced, axis=1)[:, : part.joint - part.start]
    if not pieces:
        reason = video.failure(video.parts[0], name)
        raise MediaError(footage.path, f"nothing can be spotted: {reason}", "a longer video with a face")
    count = max(1, len(footage) - distance)
    traces = np.full((len(ensemble.spotters), count, next(iter(pieces.values())).shape[2]), np.nan)
    for start, piece in pieces.items():
        place = slice(start, min(start + piece.shape[1], count))
        traces[:, place] = piece[:, : place.stop - start]
    hidden = np.isnan(traces[0, :, 0]) | _hidden(track, count, distance)
    if hidden.all():
        raise MediaError(footage.path, "no two neighbouring frames show a face", "a face for some time")
    # What cannot be seen must not look like a movement beside what can: it gets the traces of rest.
    traces[:, hidden] = np.median(traces[:, ~hidden], axis=1, keepdims=True)
    score = ensemble.curve(kind, traces, footage.fps)
    score[hidden] = min(0.0, float(score.min()))
    return score, distance


def _hidden(track: Track, positions: int, distance: int) -> np.ndarray:
    """Return which pairs (positions,) cannot be judged."""
    blind = np.concatenate([[0], np.cumsum(track.blind)])
    first = np.arange(positions)
    hidden = blind[np.minimum(first + distance + 1, len(track.quality))] > blind[first]
    for cut in track.cuts:
        hidden[max(0, cut - distance - NEAR_CUT) : cut + NEAR_CUT] = True
    return hidden


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


def spot_expressions(video: AlignedVideo, ensemble: Ensemble, track: Track) -> Spotted:
    """Spot and name in a whole video; raises as `score_parts`."""
    length, fps = len(video.footage), video.footage.fps
    curves: list[Curve] = []
    spotted: list[Expression] = []
    left_out: list[LeftOut] = []
    for kind in ensemble.kinds:
        score, distance = score_parts(video, ensemble, kind, track)
        decoded, start = ensemble.decode(kind, score, length, distance, fps)
        curves.append(Curve(kind, start, decoded.smoothed, decoded.threshold))
        for first, last in decoded.too_long.tolist():
            left_out.append(LeftOut(kind, first, last, "lasts longer than the expressions of the training"))
        for (first, last), peak, height in zip(
            decoded.intervals.tolist(), decoded.peaks.tolist(), decoded.heights.tolist(), strict=True
        ):
            reason = unseen(track, first, last, peak)
            if reason:
                left_out.append(LeftOut(kind, first, last, reason))
                continue
            quality = float(track.quality[first : last + 1].min())
            warnings = warnings_of(video, track, first, last, quality) + cut_off(first, last, length, distance)
            spotted.append(Expression(kind, first, peak, last, height, quality, warnings))
    kept = strongest(spotted)
    weaker = [one for one in spotted if one not in kept]
    left_out += [LeftOut(one.kind, one.onset, one.offset, "overlaps a stronger one") for one in weaker]
    named = sorted((_named(one, video, ensemble) for one in kept), key=lambda e: (e.onset, e.offset, e.kind))
    return Spotted(curves, named, sorted(left_out, key=lambda one: (one.onset, one.offset, one.kind)))


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


def _named(expression: Expression, video: AlignedVideo, ensemble: Ensemble) -> Expression:
    if not ensemble.classes:
        return expression
    part = video.part_at(expression.onset)
    first, second = expression.onset - part.start, expression.apex - part.start
    method, keys = ensemble.keys_of(ensemble.features_of(expression.kind), video.footage.fps)
    # A face that is lost, frames beyond the part, or equal frames, leave nothing to name.
    with video.clip(part) as clip, suppress(ClipError):
        if clip is not None and first < second < len(clip.lazy("frames")):
            features = Pairs({"method": method, **keys})(clip, first, second)
            probabilities = ensemble.class_scores(expression.kind, features)
            return replace(expression, scores=dict(zip(ensemble.classes, map(float, probabilities), strict=True)))
    return expression
