"""From per-frame spotting scores to intervals (specs/mean-softnet.md §7, A9).

A score belongs to a position: the first frame of a frame pair. Intervals are inclusive, in positions, and may begin
below 0 or end past the last position in the published forms. `half` is k_p, half the mean length of an expression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

P = 0.55


@dataclass(frozen=True)
class Decoded:
    """What decoding found in one video.

    Args:
        smoothed: (N,) float64 window means; `threshold` is on their scale.
        threshold: least height of a peak.
        peaks: (K,) int64 positions, ascending.
        intervals: (K, 2) int64 first and last position, inclusive.
        heights: (K,) float64 confidence: the smoothed score at the peak.
    """

    smoothed: np.ndarray
    threshold: float
    peaks: np.ndarray
    intervals: np.ndarray
    heights: np.ndarray


def window_mean(score: np.ndarray, half: int, edges: str = "zeros") -> np.ndarray:
    """Return s[n] = mean(score[n - half] … score[n + half - 1]).

    Args:
        score: (N,) float.
        half: half the window, positions, at least 1.
        edges: `zeros` counts zeros outside, as published: both ends are biased low, and a video shorter than the window
            gives `2 half` values; `present` averages over the positions that exist.

    Returns:
        (N,) float64, or (max(N, 2 half),) for `zeros`.
    """
    score = np.asarray(score, np.float64)
    if edges == "zeros":
        return np.convolve(score, np.ones(2 * half) / (2 * half), "same")
    total = np.concatenate([[0.0], np.cumsum(score)])
    first = np.maximum(np.arange(len(score)) - half, 0)
    last = np.minimum(np.arange(len(score)) + half, len(score))
    return (total[last] - total[first]) / (last - first)


def level(smoothed: np.ndarray, p: float = P) -> float:
    """Return the threshold of one video: mean + p (max - mean) of its smoothed scores."""
    mean = float(smoothed.mean())
    return mean + p * (float(smoothed.max()) - mean)


def decode_mean(score: np.ndarray, half: int, p: float = P, single: bool = False) -> Decoded:
    """Decode as MEAN does.

    Args:
        score: (N,) float, N at least 1.
        half: k_p.
        p: share of the way from the mean to the maximum.
        single: short clips: exactly one interval, about the first maximum, whatever its height.
    """
    smoothed = window_mean(score, half)
    threshold = level(smoothed, p)
    peaks = np.array([int(smoothed.argmax())]) if single else _peaks(smoothed, threshold, half)
    return _intervals(smoothed, threshold, peaks, half)


def decode_softnet(score: np.ndarray, half: int, p: float = P) -> Decoded:
    """Decode as SOFTNet does: both ends are trimmed by `half`, so position 0 is frame `half` of the video."""
    whole = window_mean(score, half)
    smoothed = whole[half : len(score) - half]
    if len(smoothed) == 0:
        return Decoded(smoothed, 0.0, np.zeros(0, int), np.zeros((0, 2), int), np.zeros(0))
    threshold = level(smoothed, p)
    return _intervals(smoothed, threshold, _peaks(smoothed, threshold, half), half)


def decode_fixed(
    score: np.ndarray, half: int, threshold: float, length: int | None = None, shift: int = 0, spread: float = 0.5
) -> Decoded:
    """Decode with one absolute threshold, so that a video without expressions may stay empty.

    The published threshold lies below a video's own maximum, whatever that is: every video gets an interval. Here the
    threshold comes from training videos, edges are not biased, and an interval ends on either side where the
    smoothed score has fallen to `spread` of its peak, but never closer than half of `half` nor further than twice
    `half` from it.

    Args:
        score: (N,) float, N at least 1.
        half: k_p of the training subjects.
        threshold: least height of a peak.
        length: frames of the video; intervals are cut to 0 … length - 1. N when None.
        shift: frames to add: half the distance of a frame pair, because the pair's motion lies between its frames.
        spread: share of the peak's height at which an interval ends.
    """
    smoothed = window_mean(score, max(1, half // 2), "present")
    peaks = _peaks(smoothed, threshold, half, ends=True)
    last = (len(smoothed) if length is None else length) - 1
    ends = [_extent(smoothed, int(peak), half, spread) for peak in peaks]
    intervals = np.clip(np.array(ends, np.int64).reshape(-1, 2) + shift, 0, last)
    return Decoded(smoothed, threshold, np.minimum(peaks + shift, last), intervals, smoothed[peaks])


def _extent(smoothed: np.ndarray, peak: int, half: int, spread: float) -> tuple[int, int]:
    low = spread * smoothed[peak]
    near, far = max(1, half // 2), 2 * half
    left = peak
    while left > peak - far and left > 0 and smoothed[left - 1] >= low:
        left -= 1
    right = peak
    while right < peak + far and right < len(smoothed) - 1 and smoothed[right + 1] >= low:
        right += 1
    return min(left, peak - near), max(right, peak + near)


def _peaks(smoothed: np.ndarray, threshold: float, distance: int, ends: bool = False) -> np.ndarray:
    # A maximum at the very first or last position is no peak to find_peaks; with `ends` a step down beside it makes
    # it one.
    floor = [smoothed.min() - 1.0] if ends else []
    found = find_peaks(np.concatenate([floor, smoothed, floor]), height=threshold, distance=max(1, distance))[0]
    return np.asarray(found - len(floor), np.int64)


def _intervals(smoothed: np.ndarray, threshold: float, peaks: np.ndarray, half: int) -> Decoded:
    return Decoded(smoothed, threshold, peaks, np.stack([peaks - half, peaks + half], axis=1), smoothed[peaks])
