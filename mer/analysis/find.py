"""From the parts of a video to one score along time, and to intervals with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mer.analysis.footage import Footage
from mer.analysis.models import Models
from mer.analysis.parts import CLIP, DOUBTS, Part
from mer.core.container import Clip, Container
from mer.core.errors import ClipError, MediaError
from mer.spotting.naming_head import Pairs
from mer.spotting.recordings import blocks

WEAK = 0.5  # quality below which an interval is called doubtful
NEAR_CUT = 2  # frames by which the landmarks' filter carries a cut to either side
SEVERAL = "several faces in the picture: the largest and most central one is followed"


@dataclass
class Track:
    """What is known of every frame of the grid.

    Args:
        quality: (T,) float32 0-1 of the alignment; 0 where no face was found.
        lost: (T,) bool: the picture could not be decoded.
        doubt: (T,) uint8: what alignment remarks on it, bits by `mer.analysis.parts.DOUBTS`.
        cuts: first frames after a cut.
        faces: most faces seen at once, by part.
        failures: (first, last frame, reason) of parts without a result.
    """

    quality: np.ndarray
    lost: np.ndarray
    doubt: np.ndarray
    cuts: list[int] = field(default_factory=list)
    faces: dict[int, int] = field(default_factory=dict)
    failures: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def blind(self) -> np.ndarray:
        """(T,) bool: nothing can be said of this frame."""
        return self.lost | (self.quality <= 0)


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
    between the eyes.
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

    @property
    def emotion(self) -> str:
        """The most probable class, '' when it was not named."""
        return max(self.scores, key=lambda name: self.scores[name]) if self.scores else ""


def gather_track(footage: Footage, parts: Sequence[Part], folder: Path) -> Track:
    """Join what the aligned parts know of every frame.

    Raises:
        MediaError: no part shows a face.
    """
    count = len(footage)
    track = Track(np.zeros(count, np.float32), np.zeros(count, bool), np.zeros(count, np.uint8))
    for part in parts:
        with Container(part.path(folder, "align")) as box:
            if CLIP in box.failures:
                track.failures.append((part.start, part.own - 1, box.failures[CLIP]))
                continue
            clip, own = box.clip(CLIP), slice(part.start, part.own)
            for name in ("quality", "lost", "doubt"):
                getattr(track, name)[own] = clip.read(name)[: part.own - part.start]
            track.cuts += [part.start + int(c) for c in clip.read("cuts") if part.start + c < part.own]
            track.faces[part.number] = int(clip.attributes["faces"])
    if len(track.failures) == len(parts):
        remedy = "name a video that shows a face from the front"
        raise MediaError(footage.path, f"no face found: {track.failures[0][2]}", "a face in some frame", remedy)
    return track


def score_parts(
    footage: Footage, parts: Sequence[Part], models: Models, kind: str, track: Track, folder: Path
) -> tuple[np.ndarray, int]:
    """Return the score (P,) float64 of every frame pair of the video, and the pair distance in frames.

    Pairs with a frame that shows no face, and pairs across a cut, get the lowest score: nothing is spotted in them.

    Raises:
        MediaError: no part has features.
    """
    name, distance, reasons = models.features_of(kind), 0, []
    pieces: dict[int, np.ndarray] = {}
    for part in parts:
        with Container(part.path(folder, name)) as box:
            if CLIP in box.failures:
                reasons.append(box.failures[CLIP])
                continue
            clip = box.clip(CLIP)
            distance = int(clip.attributes["distance"])
            own = np.concatenate([models.traces(kind, block) for block in blocks(clip.lazy("features"))], axis=1)
            pieces[part.start] = own[:, : part.own - part.start]
    if not pieces:
        raise MediaError(footage.path, f"nothing can be spotted: {reasons[0]}", "a longer video with a face")
    count = max(1, len(footage) - distance)
    traces = np.full((len(models.spotters), count, next(iter(pieces.values())).shape[2]), np.nan)
    for start, piece in pieces.items():
        place = slice(start, min(start + piece.shape[1], count))
        traces[:, place] = piece[:, : place.stop - start]
    hidden = np.isnan(traces[0, :, 0]) | _hidden(track, count, distance)
    if hidden.all():
        raise MediaError(footage.path, "no two neighbouring frames show a face", "a face for some time")
    # What cannot be seen must not look like a movement beside what can: it gets the traces of rest.
    traces[:, hidden] = np.median(traces[:, ~hidden], axis=1, keepdims=True)
    score = models.curve(kind, traces, footage.fps)
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


def find(
    footage: Footage, parts: Sequence[Part], models: Models, track: Track, folder: Path
) -> tuple[list[Curve], list[Expression]]:
    """Spot and name in a whole video; raises as `score_parts`."""
    curves: list[Curve] = []
    found: list[Expression] = []
    for kind in models.kinds:
        score, distance = score_parts(footage, parts, models, kind, track, folder)
        decoded, start = models.decode(kind, score, len(footage), distance, footage.fps)
        curves.append(Curve(kind, start, decoded.smoothed, decoded.threshold))
        for (first, last), peak, height in zip(
            decoded.intervals.tolist(), decoded.peaks.tolist(), decoded.heights.tolist(), strict=True
        ):
            if track.blind[peak] or any(first < cut <= last for cut in track.cuts):
                continue
            quality = float(track.quality[first : last + 1].min())
            warnings = _warnings(parts, track, first, last, quality)
            warnings += _cut_off(first, last, len(footage), distance)
            found.append(Expression(kind, first, peak, last, height, quality, warnings))
    named = [_named(one, parts, models, footage.fps, folder) for one in strongest(found)]
    return curves, sorted(named, key=lambda e: (e.onset, e.offset, e.kind))


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


def _warnings(parts: Sequence[Part], track: Track, first: int, last: int, quality: float) -> tuple[str, ...]:
    inside = slice(first, last + 1)
    found = []
    if track.blind[inside].any():
        found.append("the face is lost during it")
    elif quality < WEAK:
        found.append(f"the face was followed poorly (quality {quality:.2f})")
    bits = int(np.bitwise_or.reduce(track.doubt[inside]))
    # A smile changes the face as much as a hand in front of it, but is followed well.
    weak = {"hidden or changed"} if quality >= WEAK else set()
    found += [text for bit, (name, text) in enumerate(DOUBTS.items()) if bits >> bit & 1 and name not in weak]
    if track.faces.get(owner(parts, first).number, 0) > 1:
        found.append(SEVERAL)
    return tuple(found)


def _cut_off(first: int, last: int, length: int, distance: int) -> tuple[str, ...]:
    """Return a warning for an interval that begins or ends with the first or last frame pair of a video."""
    early, late = first <= distance // 2, last >= length - 1 - (distance - distance // 2)
    return (f"cut off by the {'beginning' if early else 'end'} of the video",) if early or late else ()


def owner(parts: Sequence[Part], frame: int) -> Part:
    """Return the part that a frame of the grid belongs to."""
    return next(part for part in parts if part.start <= frame < part.own)


def _named(expression: Expression, parts: Sequence[Part], models: Models, fps: float, folder: Path) -> Expression:
    if not models.classes:
        return expression
    part = owner(parts, expression.onset)
    method, keys = models.keys_of(models.features_of(expression.kind), fps)
    with Container(part.path(folder, "align")) as box:
        clip = box.clip(CLIP) if CLIP in box.clip_ids else None
        # A face that is lost, or equal frames, leave nothing to name.
        with suppress(ClipError):
            values = _pair(clip, part, expression, {"method": method, **keys})
            probabilities = models.name_of(expression.kind, values)
            return replace(expression, scores=dict(zip(models.classes, map(float, probabilities), strict=True)))
    return expression


def _pair(clip: Clip | None, part: Part, expression: Expression, keys: Mapping[str, object]) -> np.ndarray:
    first, second = expression.onset - part.start, expression.apex - part.start
    if clip is None or second <= first or second >= len(clip.lazy("frames")):
        raise ClipError(CLIP, "no pair of frames", "two frames of one part")
    return Pairs(keys)(clip, first, second)
