"""From per-frame spotting scores to intervals (specs/mean-softnet.md §7, A9).

A score belongs to a position: the first frame of a frame pair. Intervals are inclusive, in positions, and may begin
below 0 or end past the last position in the published forms. `half` is k_p, half the mean length of an expression.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.signal import find_peaks

P = 0.55
#: Databases of short clips with one expression each: the published decoder gives every clip exactly one interval (D6).
ONE_EACH = frozenset({"casme2", "smic_e_hs", "smic_e_vis", "smic_e_nir"})


@dataclass(frozen=True)
class Decoded:
    """What decoding gives for one video.

    Args:
        smoothed: (N,) float64 window means; `threshold` is on their scale.
        threshold: least height of a peak.
        peaks: (K,) int64 positions, ascending.
        intervals: (K, 2) int64 first and last position, inclusive.
        heights: (K,) float64 confidence: the smoothed score at the peak.
        too_long: (J, 2) int64 first and last position of what exceeds the threshold for too long to be kept.
    """

    smoothed: np.ndarray
    threshold: float
    peaks: np.ndarray
    intervals: np.ndarray
    heights: np.ndarray
    too_long: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))


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


def decode_ref(score: np.ndarray, half: int, p: float, model: str, single: bool = False) -> tuple[Decoded, int]:
    """Decode as the paper of the model does: in frames of the video, and the frame of the first smoothed value.

    `single` is MEAN's, of short clips; SOFTNet was published on long videos alone. `smoothed` ends with the score,
    although the window mean of a short video does not.
    """
    softnet = model == "softnet"
    decoded, start = (decode_softnet(score, half, p), half) if softnet else (decode_mean(score, half, p, single), 0)
    peaks, intervals = decoded.peaks + start, decoded.intervals + start
    return replace(decoded, smoothed=decoded.smoothed[: len(score)], peaks=peaks, intervals=intervals), start


@dataclass(frozen=True)
class Decoding:
    """Everything that decoding needs besides the scores.

    Args:
        half: k_p, frames.
        window: half the smoothing window, frames.
        threshold: least smoothed height of a peak.
        spread: share of a peak's height at which its interval ends.
        longest: longest interval that is kept, frames; a longer one is another kind of movement.
        shortest: shortest interval, frames; a shorter one is widened to it.
    """

    half: int
    window: int
    threshold: float
    spread: float
    longest: int
    shortest: int


def decode_fixed(score: np.ndarray, rule: Decoding, length: int | None = None, shift: int = 0) -> Decoded:
    """Decode with one absolute threshold, so that a video without expressions may stay empty.

    The published threshold lies below a video's own maximum, whatever that is: every video gets an interval. Here edges
    are not biased, and an interval ends on either side of its peak where the smoothed score has fallen to `spread` of
    the peak's height. One that is longer than `longest` is another kind of movement and is left out; one shorter than
    `shortest` is widened to it about its middle.

    Args:
        score: (N,) float, N at least 1.
        rule: smoothing window and peak distance (frames), threshold, spread, and lengths (frames).
        length: frames of the video; intervals are cut to 0 … length - 1. N when None.
        shift: frames to add: half the distance of a frame pair, because the pair's motion lies between its frames.
    """
    smoothed = window_mean(score, rule.window, "present")
    peaks = _peaks(smoothed, rule.threshold, rule.half, ends=True)
    spans = [_extent(smoothed, int(peak), rule.spread) for peak in peaks]
    kept = [k for k, (left, right) in enumerate(spans) if right - left + 1 <= rule.longest]
    long = sorted(set(spans) - {spans[k] for k in kept})
    kept = [k for n, k in enumerate(kept) if n == 0 or spans[k] != spans[kept[n - 1]]]
    last = (len(smoothed) if length is None else length) - 1
    wide = [_widened(*spans[k], rule.shortest) for k in kept]
    intervals = np.clip(np.array(wide, np.int64).reshape(-1, 2) + shift, 0, last)
    chosen = peaks[np.array(kept, int)]
    inside = np.clip(np.minimum(chosen + shift, last), intervals[:, 0], intervals[:, 1])
    beyond = np.clip(np.array(long, np.int64).reshape(-1, 2) + shift, 0, last)
    return Decoded(smoothed, rule.threshold, inside, intervals, smoothed[chosen], beyond)


def _extent(smoothed: np.ndarray, peak: int, spread: float) -> tuple[int, int]:
    low = spread * smoothed[peak]
    below = np.flatnonzero(smoothed < low)
    if smoothed[peak] < low or not len(below):  # a negative peak, or a score that never falls
        return (peak, peak) if len(below) else (0, len(smoothed) - 1)
    place = int(np.searchsorted(below, peak))
    left = int(below[place - 1]) + 1 if place else 0
    right = int(below[place]) - 1 if place < len(below) else len(smoothed) - 1
    return left, right


def _widened(left: int, right: int, shortest: int) -> tuple[int, int]:
    lacking = max(0, shortest - (right - left + 1))
    return left - lacking // 2, right + lacking - lacking // 2


def _peaks(smoothed: np.ndarray, threshold: float, distance: int, ends: bool = False) -> np.ndarray:
    # A maximum at the very first or last position is no peak to find_peaks; with `ends` a step down beside it makes
    # it one.
    floor = [smoothed.min() - 1.0] if ends else []
    peaks = find_peaks(np.concatenate([floor, smoothed, floor]), height=threshold, distance=max(1, distance))[0]
    return np.asarray(peaks - len(floor), np.int64)


def _intervals(smoothed: np.ndarray, threshold: float, peaks: np.ndarray, half: int) -> Decoded:
    return Decoded(smoothed, threshold, peaks, np.stack([peaks - half, peaks + half], axis=1), smoothed[peaks])
