"""Scores of spotting: intervals against intervals (specs/mean-softnet.md §9).

An interval is (onset, offset), inclusive frame numbers, of any sign; its length is offset - onset + 1. A prediction
is right when its intersection over union with a true interval is at least a threshold, one prediction per true
interval. No result depends on the order of rows.

- **matching** as many pairs as possible, and of those the largest total IoU. `greedy` is the published rule, which
  depends on the order: each prediction looks only at the true interval that it overlaps most.
- **counts** TP, FP, FN summed over videos; precision, recall and F1 from the sums.
- **AP** area under precision against recall, all points, predictions by descending confidence; predictions of equal
  confidence enter together. The released code gives every interval the same confidence, so that its curve follows the
  order of the list; without confidences AP here is precision times recall.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
# Beyond so many cells a cluster of mutually overlapping intervals is matched pair by pair, best overlap first.
CELLS = 1_000_000


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives; adds up over videos and over micro and macro runs."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 without predictions."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 0 without true intervals."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 0 when there is neither."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 0.0

    def as_dict(self) -> dict[str, float]:
        """Return counts and scores by name."""
        scores = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn, **scores}


def total(counts: Iterable[Counts]) -> Counts:
    """Return the sum of counts."""
    return sum(counts, Counts())


def as_intervals(intervals: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
    """Return intervals as (N, 2) int64."""
    return np.asarray(intervals, np.int64).reshape(-1, 2)


def overlaps(
    truth: np.ndarray, prediction: np.ndarray, least: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every pair of intervals whose IoU is at least `least`, without forming all pairs.

    Args:
        truth: (G, 2) int, inclusive.
        prediction: (P, 2) int, inclusive.
        least: threshold in (0, 1].

    Returns:
        indices into `truth` and `prediction`, and IoU, each (K,), sorted by truth, then prediction.
    """
    truth, prediction = as_intervals(truth), as_intervals(prediction)
    order = np.lexsort((prediction[:, 1], prediction[:, 0]))
    starts = prediction[order, 0]
    length = truth[:, 1] - truth[:, 0] + 1
    # A prediction that begins further from the truth's onset than this cannot share enough of it.
    early = np.ceil(length * (1 / least - 1)).astype(np.int64)
    late = np.ceil(length * (1 - least)).astype(np.int64)
    low = np.searchsorted(starts, truth[:, 0] - early, "left")
    high = np.searchsorted(starts, truth[:, 0] + late, "right")
    count = np.maximum(high - low, 0)
    g = np.repeat(np.arange(len(truth)), count)
    p = order[np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)]
    shared = np.minimum(truth[g, 1], prediction[p, 1]) - np.maximum(truth[g, 0], prediction[p, 0]) + 1
    union = length[g] + prediction[p, 1] - prediction[p, 0] + 1 - shared
    # In whole numbers: 0.5 is met exactly, and 0.55 of 20 frames is 11, not 11.000000000000002.
    enough = (shared > 0) & (shared * 100 >= union * round(least * 100))
    g, p, iou = g[enough], p[enough], shared[enough] / union[enough]
    sort = np.lexsort((p, g))
    return g[sort], p[sort], iou[sort]


def match(truth: np.ndarray, prediction: np.ndarray, least: float = 0.5) -> np.ndarray:
    """Pair true and predicted intervals of one video one to one.

    Args:
        truth: (G, 2) int, inclusive.
        prediction: (P, 2) int, inclusive.
        least: IoU from which a pair counts.

    Returns:
        (K, 2) int64 indices (truth, prediction), sorted; K is the largest possible, and the total IoU the largest
        for that K.
    """
    g, p, iou = overlaps(truth, prediction, least)
    if len(g) == 0:
        return np.zeros((0, 2), np.int64)
    nodes = len(as_intervals(truth)), len(as_intervals(prediction))
    graph = coo_matrix((np.ones(len(g)), (g, p + nodes[0])), shape=(sum(nodes), sum(nodes)))
    cluster = connected_components(graph, directed=False)[1][g]
    edges = np.bincount(cluster)
    single = edges[cluster] == 1
    pairs = [np.stack([g[single], p[single]], axis=1)]
    rest = np.flatnonzero(~single)
    rest = rest[np.argsort(cluster[rest], kind="stable")]
    for part in np.split(rest, np.flatnonzero(np.diff(cluster[rest])) + 1) if len(rest) else []:
        pairs.append(_assign(g[part], p[part], iou[part]))
    matched = np.concatenate(pairs)
    return matched[np.argsort(matched[:, 0])]


def _assign(g: np.ndarray, p: np.ndarray, iou: np.ndarray) -> np.ndarray:
    rows, row = np.unique(g, return_inverse=True)
    columns, column = np.unique(p, return_inverse=True)
    if len(rows) * len(columns) > CELLS:
        return _best_first(g, p, iou)
    value = np.zeros((len(rows), len(columns)))
    # A pair more is worth more than any gain of IoU among the others.
    value[row, column] = len(rows) + 1 + iou
    i, j = linear_sum_assignment(value, maximize=True)
    kept = value[i, j] > 0
    return np.stack([rows[i[kept]], columns[j[kept]]], axis=1)


def _best_first(g: np.ndarray, p: np.ndarray, iou: np.ndarray) -> np.ndarray:
    used: tuple[set[int], set[int]] = (set(), set())
    pairs = []
    for k in np.argsort(-iou, kind="stable"):
        pair = int(g[k]), int(p[k])
        if pair[0] not in used[0] and pair[1] not in used[1]:
            used[0].add(pair[0])
            used[1].add(pair[1])
            pairs.append(pair)
    return np.array(pairs, np.int64).reshape(-1, 2)


def match_greedy(truth: np.ndarray, prediction: np.ndarray, least: float = 0.5) -> np.ndarray:
    """Pair as the released code of MEAN does, in the order of `prediction` (§9.1): (K, 2) indices (truth, prediction).

    Each prediction looks only at the true interval with the highest IoU, the first of equals; if that is taken, it
    is wrong.
    """
    g, p, iou = overlaps(truth, prediction, least)
    order = np.lexsort((g, -iou, p))
    wishes = order[np.unique(p[order], return_index=True)[1]]
    taken: dict[int, int] = {}
    for k in wishes:
        taken.setdefault(int(g[k]), int(p[k]))
    return np.array(sorted(taken.items()), np.int64).reshape(-1, 2)


def count(truth: np.ndarray, prediction: np.ndarray, least: float = 0.5) -> Counts:
    """Return the counts of one video."""
    tp = len(match(truth, prediction, least))
    return Counts(tp, len(as_intervals(prediction)) - tp, len(as_intervals(truth)) - tp)


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
