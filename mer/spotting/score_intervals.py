"""Scoring tables of intervals: spotting, recognition of what was spotted, STRS (specs/mean-softnet.md §9, §10).

Every subject and video of either table counts: predictions in a video without true intervals are false alarms, true
intervals of a subject without predictions are misses. No score depends on the order of rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mer.metrics.spotting import THRESHOLDS, Counts, Video, average_precision, match, match_greedy, total
from mer.metrics.strs import analysis, strs
from mer.spotting.interval_files import Interval

Key = tuple[str, str]
Sides = tuple[list[Interval], list[Interval]]
KINDS = ("micro", "macro")


def score(
    truth: Sequence[Interval],
    prediction: Sequence[Interval],
    classes: Sequence[str] = (),
    matching: str = "one-to-one",
    fps: float | None = None,
) -> dict[str, Any]:
    """Score predicted against true intervals.

    Args:
        truth: true intervals; may be empty.
        prediction: predicted intervals; may be empty.
        classes: emotions that are recognised; all true ones when empty, but `others`.
        matching: `one-to-one`, or `greedy`: the published rule, which depends on the order of `prediction`.
        fps: frames per second: rows without type are micro up to half a second. Untyped tables get no scores by type
            when None.

    Returns:
        `tp`, `fp`, `fn`, `precision_spotting`, `recall_spotting`, `f1_spotting`, `ap_50_95`, `ap_50`, `strs`, the
        keys of `mer.metrics.strs.analysis`, `classes`, `by_type` (micro, macro, overall), `n_truth`, `n_prediction`,
        `videos`, `videos_without_truth`, `subjects_without_prediction`.
    """
    videos = _by_video(truth, prediction)
    pairs = {key: _match(*rows, matching) for key, rows in videos.items()}
    counts = total(_count(*videos[key], pairs[key]) for key in videos)
    named = tuple(classes) or tuple(sorted({row.emotion for row in truth} - {"", "others", "other"}))
    analysed = analysis(*_emotions(videos, pairs), named)
    ap = average_precision([_video(*rows) for rows in videos.values()])
    return {
        "strs": strs(counts, analysed),
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "precision_spotting": counts.precision,
        "recall_spotting": counts.recall,
        "f1_spotting": counts.f1,
        "ap_50": float(ap[0]),
        "ap_50_95": float(ap.mean()),
        "ap_thresholds": list(THRESHOLDS),
        **analysed,
        "classes": list(named),
        "by_type": _by_type(truth, prediction, matching, fps),
        "n_truth": len(truth),
        "n_prediction": len(prediction),
        "videos": len(videos),
        "videos_without_truth": sum(not rows[0] for rows in videos.values()),
        "subjects_without_prediction": sorted({t.subject for t in truth} - {p.subject for p in prediction}),
    }


def _by_video(truth: Iterable[Interval], prediction: Iterable[Interval]) -> dict[Key, Sides]:
    videos: dict[Key, Sides] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((truth, prediction)):
        for row in rows:
            videos[row.subject, row.video][side].append(row)
    # Equal overlaps are settled by the order of rows: sort the rows, and it is nobody's.
    return {key: (sorted(rows[0]), rows[1]) for key, rows in sorted(videos.items())}


def _frames(rows: Sequence[Interval]) -> np.ndarray:
    return np.array([(row.onset, row.offset) for row in rows], np.int64).reshape(-1, 2)


def _match(truth: Sequence[Interval], prediction: list[Interval], matching: str) -> np.ndarray:
    if matching == "greedy":
        return match_greedy(_frames(truth), _frames(prediction))
    prediction.sort()
    return match(_frames(truth), _frames(prediction))


def _count(truth: Sequence[Interval], prediction: Sequence[Interval], pairs: np.ndarray) -> Counts:
    return Counts(len(pairs), len(prediction) - len(pairs), len(truth) - len(pairs))


def _emotions(videos: Mapping[Key, Sides], pairs: Mapping[Key, np.ndarray]) -> tuple[list[str], list[str]]:
    truth, prediction = [], []
    for key, matched in pairs.items():
        for g, p in matched.tolist():
            truth.append(videos[key][0][g].emotion)
            prediction.append(videos[key][1][p].emotion)
    return truth, prediction


def _video(truth: Sequence[Interval], prediction: Sequence[Interval]) -> Video:
    return Video(_frames(truth), _frames(prediction), np.array([row.confidence for row in prediction], float))


def _by_type(
    truth: Sequence[Interval], prediction: Sequence[Interval], matching: str, fps: float | None
) -> dict[str, dict[str, float]]:
    """Return the scores of micro and macro runs, and of their summed counts; {} where a row has no type."""
    sides = [[(row.kind(fps), row) for row in rows] for rows in (truth, prediction)]
    if any(not kind for side in sides for kind, _ in side):
        return {}
    scores: dict[str, Counts] = {}
    for kind in KINDS:
        videos = _by_video(*([row for type_, row in side if type_ == kind] for side in sides))
        scores[kind] = total(_count(*rows, _match(*rows, matching)) for rows in videos.values())
    scores["overall"] = total(scores.values())
    return {kind: counts.as_dict() for kind, counts in scores.items()}
