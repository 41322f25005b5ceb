"""Average precision of spotted intervals, independent of the order of rows (specs/mean-softnet.md §9.1).

The released code gives every interval the same confidence, so that its curve follows the order of the list. Here
predictions of equal confidence enter together, as one point of the curve; without confidences AP is precision times
recall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer.metrics.spotting import THRESHOLDS, as_intervals, overlaps


@dataclass(frozen=True)
class Video:
    """One video: true intervals (G, 2), predicted ones (P, 2) and their confidences (P,)."""

    truth: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray


def average_precision(videos: Sequence[Video], thresholds: Sequence[float] = THRESHOLDS) -> np.ndarray:
    """Return AP at each IoU threshold, (len(thresholds),) float64 in [0, 1]; 0 where nothing is to be found.

    Predictions are taken by descending confidence, those of one confidence by descending IoU; each claims the free true
    interval of its video that it overlaps most.
    """
    confidence, pairs = _pairs(videos, min(thresholds))
    truths = sum(len(as_intervals(video.truth)) for video in videos)
    return np.array([_one(pairs[pairs["iou"] >= least - 1e-12], confidence, truths) for least in thresholds])


def _pairs(videos: Sequence[Video], least: float) -> tuple[np.ndarray, np.ndarray]:
    kind = np.dtype([("truth", np.int64), ("prediction", np.int64), ("iou", float), ("confidence", float)])
    parts, confidences, first = [], [np.zeros(0)], np.zeros(2, np.int64)
    for video in videos:
        g, p, iou = overlaps(video.truth, video.prediction, least)
        part = np.empty(len(g), kind)
        part["truth"], part["prediction"], part["iou"] = g + first[0], p + first[1], iou
        part["confidence"] = np.asarray(video.confidence, float)[p]
        parts.append(part)
        confidences.append(np.asarray(video.confidence, float))
        first += len(as_intervals(video.truth)), len(as_intervals(video.prediction))
    pairs = np.concatenate([np.empty(0, kind), *parts])
    confidence = np.concatenate(confidences)
    return confidence, pairs[np.lexsort((-pairs["iou"], -pairs["confidence"]))]


def _one(pairs: np.ndarray, confidence: np.ndarray, truths: int) -> float:
    if truths == 0 or len(confidence) == 0:
        return 0.0
    right = np.zeros(len(confidence), bool)
    claimed: set[int] = set()
    for g, p in zip(pairs["truth"].tolist(), pairs["prediction"].tolist(), strict=True):
        if g not in claimed and not right[p]:
            claimed.add(g)
            right[p] = True
    levels, code = np.unique(-confidence, return_inverse=True)
    hits = np.cumsum(np.bincount(code, weights=right, minlength=len(levels)))
    made = np.cumsum(np.bincount(code, minlength=len(levels)))
    precision = np.maximum.accumulate((hits / made)[::-1])[::-1]
    return float((np.diff(hits, prepend=0.0) / truths * precision).sum())
