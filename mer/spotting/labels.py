"""Pseudo-labels of frame positions, and which of them a network is trained on (specs/mean-softnet.md §4, A10).

Position i stands for the frame pair (i, i + k). Frames and positions are 0-based.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def half_length(intervals: Sequence[Sequence[int]] | np.ndarray) -> int:
    """Return k_p = int((N + 1) / 2) for the mean N of offset - onset over `intervals` (K, 2), at least 1."""
    spans = np.asarray(intervals, np.float64).reshape(-1, 2)
    return max(1, int((float((spans[:, 1] - spans[:, 0]).mean()) + 1) / 2))


def pseudo_labels(
    positions: int, intervals: Sequence[Sequence[int]] | np.ndarray, window: int, late: bool = False
) -> np.ndarray:
    """Return (positions,) float32: 1 where the frames i … i + window - 1 meet an annotated interval, else 0.

    Args:
        positions: number of frame pairs.
        intervals: (K, 2) onset and offset, inclusive; may lie partly outside the video.
        window: K frames: k_p for MEAN, k for SOFTNet.
        late: SOFTNet's interval, which begins one frame after the onset.
    """
    labels = np.zeros(positions, np.float32)
    for onset, offset in np.asarray(intervals, np.int64).reshape(-1, 2):
        first = int(onset) + int(late)
        labels[max(0, first - window + 1) : max(0, int(offset) + 1)] = 1
    return labels


def centred_labels(positions: int, intervals: Sequence[Sequence[int]] | np.ndarray, shift: int) -> np.ndarray:
    """Return (positions,) float32: 1 where the middle of the frame pair, i + shift, lies within an interval.

    The published label begins a whole window before the onset, so the score rises on frames in which nothing moves.
    """
    labels = np.zeros(positions, np.float32)
    for onset, offset in np.asarray(intervals, np.int64).reshape(-1, 2):
        labels[max(0, int(onset) - shift) : max(0, int(offset) - shift + 1)] = 1
    return labels


def balance_mean(labels: np.ndarray, rng: np.random.Generator, ratio: int = 5) -> np.ndarray:
    """Return the sorted positions that MEAN trains on: `ratio` negatives per positive, or thinned positives.

    With m the size of the minority: if ratio · m <= all, ratio · m negatives and every positive; else int(majority /
    ratio) positives and every negative. A request beyond the supply takes all there is, where the released code raises.

    Args:
        labels: (N,) of 0 and 1.
        rng: draws the positions that are kept.
        ratio: 5 in every released run.
    """
    positive, negative = np.flatnonzero(labels > 0), np.flatnonzero(labels <= 0)
    few, many = sorted((len(positive), len(negative)))
    if ratio * few <= len(labels):
        negative = _draw(negative, ratio * few, rng)
    else:
        positive = _draw(positive, many // ratio, rng)
    return np.sort(np.concatenate([positive, negative]))


def balance_softnet(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the sorted positions that SOFTNet trains on: every positive and int(majority / 2) negatives."""
    positive, negative = np.flatnonzero(labels > 0), np.flatnonzero(labels <= 0)
    kept = _draw(negative, max(len(positive), len(negative)) // 2, rng)
    return np.sort(np.concatenate([positive, kept]))


def _draw(positions: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return positions if count >= len(positions) else rng.choice(positions, count, replace=False)
