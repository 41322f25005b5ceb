"""What the spotting models of an experiment make of a video: one score along time, intervals, and their names."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from mer.analysis.ensemble import Ensemble
from mer.analysis.expressions import Curve, Expression, LeftOut, Spotted, cut_off, strongest, unseen, warnings_of
from mer.analysis.parts import AlignedVideo, Track
from mer.core.errors import ClipError, MediaError
from mer.spotting.naming_head import Pairs
from mer.spotting.recordings import blocks

NEAR_CUT = 2  # frames by which the landmarks' filter carries a cut to either side


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
