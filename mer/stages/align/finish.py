"""From the fits of single frames to gapless, smoothed arrays, a block at a time.

Everything that looks along time looks a bounded number of frames ahead and back, except for a gap without a face, which
waits for the face to return. So a block is finished as soon as the frames around it are known, and memory follows the
block and not the clip: what waits during a gap are frames without landmarks, which weigh next to nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mer.core.geometry import (
    apply,
    canonical_eyes,
    compose,
    eye_centres,
    from_parameters,
    invert,
    parameters,
    similarity,
)
from mer.stages.align.patch import EYE_DISTANCE, EYES
from mer.stages.align.smooth import fill_gaps, local_quadratic, slow_excess
from mer.stages.align.track import Fit, face_box

RECENTRE_FRAMES = 30.0  # standard deviation of the filter that follows the eyes: ten times a short apex
RECENTRE_REACH = int(np.ceil(3 * RECENTRE_FRAMES))
BLOCK = 512


@dataclass(frozen=True)
class Smoothing:
    """What happens along time; the fields of the same names of the `dlib` method's `Params`."""

    refine: bool
    recentre: float
    smooth: int
    rigid_smooth: int

    @property
    def reach(self) -> int:
        """How many frames before and after one decide on it."""
        rigid = 0 if self.refine else self.rigid_smooth // 2
        return (RECENTRE_REACH if self.recentre else 0) + self.smooth // 2 + rigid


@dataclass(frozen=True)
class Part:
    """The geometry of N consecutive frames.

    Args:
        transform: (N, 2, 3) float64 source pixels -> working patch, in the end crop, smoothed and recentred.
        source: (N, 68, 2) float64 landmarks in source pixels, smoothed along time in the working patch.
        box: (N, 4) float32 face box in source pixels.
        quality: (N,) float32 0-1.
        detected: (N,) bool.
    """

    transform: np.ndarray
    source: np.ndarray
    box: np.ndarray
    quality: np.ndarray
    detected: np.ndarray

    @property
    def landmarks(self) -> np.ndarray:
        """The (N, 68, 2) float32 landmarks in pixels of the crop."""
        return apply(self.transform, self.source).astype(np.float32)

    def __len__(self) -> int:
        return len(self.quality)


class _Row(NamedTuple):
    """One frame as far as the filters need it.

    `values` (140,) are the four numbers of the inverse transform and the landmarks (68, 2) in the picture; empty when
    there is no face.
    """

    quality: float
    detected: bool
    values: np.ndarray


_LOST = _Row(0.0, False, np.zeros(0))


class Finisher:
    """Feed the fits of a clip in order; blocks come out as soon as nothing later can change them.

    Args:
        smoothing: what happens along time.
        block: frames of a block.
    """

    def __init__(self, smoothing: Smoothing, block: int = BLOCK) -> None:
        self.smoothing, self.block = smoothing, block
        self._rows: list[_Row] = []
        self._start = 0  # frame of the first row held
        self._next = 0  # first frame that has not come out
        self._good: list[int] = []  # frames with a face among the rows held
        self._before: tuple[int, _Row] | None = None  # the last frame with a face before the rows held

    @property
    def count(self) -> int:
        """Frames fed so far."""
        return self._start + len(self._rows)

    @property
    def any_face(self) -> bool:
        """Whether any frame fed so far has a face."""
        return bool(self._good) or self._before is not None

    def feed(self, fit: Fit) -> Iterator[Part]:
        """Take the next frame; yield the blocks that it completes."""
        if fit.matrix is None or fit.points is None:
            self._rows.append(_LOST)
            return
        self._good.append(self.count)
        back = invert(fit.matrix)
        self._rows.append(
            _Row(fit.quality, fit.detected, np.concatenate([parameters(back), apply(back, fit.points).ravel()]))
        )
        while self.count - self._next >= self.block + self.smoothing.reach:
            yield self._emit(self._next + self.block)

    def end(self) -> Iterator[Part]:
        """Yield the rest; nothing when no frame had a face."""
        while self.any_face and self._next < self.count:
            yield self._emit(min(self._next + self.block, self.count))

    def _emit(self, stop: int) -> Part:
        first, last = max(self._next - self.smoothing.reach, 0), min(stop + self.smoothing.reach, self.count)
        inner = slice(self._next - first, stop - first)
        rows = self._rows[first - self._start : last - self._start]
        part = self._finished(rows, *self._filled(rows, first, last), inner)
        self._next = stop
        self._forget(max(stop - self.smoothing.reach, 0))
        return part

    def _filled(self, rows: list[_Row], first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Return back (N, 4) and source (N, 68, 2) of frames `first` to `last`, gaps filled from either side."""
        low, high = bisect_left(self._good, first), bisect_left(self._good, last)
        known = [(i, self._rows[i - self._start]) for i in self._good[max(low - 1, 0) : high + 1]]
        if low == 0 and self._before is not None:
            known.insert(0, self._before)
        values = np.stack([row.values for _, row in known])
        if len(known) == len(rows) and known[0][0] == first:
            whole = values
        else:
            whole = fill_gaps(values, np.array([i for i, _ in known]), np.arange(first, last))
        return whole[:, :4], whole[:, 4:].reshape(-1, 68, 2)

    def _finished(self, rows: list[_Row], back: np.ndarray, source: np.ndarray, inner: slice) -> Part:
        smoothing = self.smoothing
        quality = np.array([row.quality for row in rows])
        good = np.array([row.values.size > 0 for row in rows])
        trust = np.where(good, quality + 1e-3, 0.0)
        # The inverse is interpolated and smoothed: its numbers are position and size in the picture, where motion is
        # even.
        if not smoothing.refine:
            back = local_quadratic(back, trust, smoothing.rigid_smooth)
        working = invert(from_parameters(back))
        if smoothing.recentre:
            working = recentred(working, source, np.where(good, quality, 0.0), smoothing.recentre * EYE_DISTANCE)
        landmarks = local_quadratic(apply(working, source), trust, smoothing.smooth)[inner]
        working = working[inner]
        return Part(
            transform=working,
            source=apply(invert(working), landmarks),
            box=np.stack([face_box(m) for m in working]).astype(np.float32),
            quality=quality[inner].astype(np.float32),
            detected=np.array([row.detected for row in rows[inner]], bool),
        )

    def _forget(self, first: int) -> None:
        """Drop the rows before frame `first`."""
        gone = bisect_left(self._good, first)
        if gone:
            index = self._good[gone - 1]
            self._before = (index, self._rows[index - self._start])
            del self._good[:gone]
        del self._rows[: first - self._start]
        self._start = max(first, self._start)


def recentred(working: np.ndarray, source: np.ndarray, weights: np.ndarray, tolerance: float) -> np.ndarray:
    """Return transforms (T, 2, 3) picture -> patch whose eyes stay within `tolerance` pixels of their place.

    Args:
        working: (T, 2, 3) transforms.
        source: (T, 68, 2) landmarks in the picture.
        weights: (T,) trust in each frame.
        tolerance: patch pixels, RMS over both eyes.
    """
    offsets = eye_centres(apply(working, source)) - EYES
    excess = slow_excess(offsets, weights, RECENTRE_FRAMES, tolerance)
    moved = [similarity(EYES + extra, EYES) if extra.any() else np.eye(2, 3) for extra in excess]
    return compose(np.stack(moved), working)


def to_crop(size: int, eye_row: float, eye_spread: float) -> np.ndarray:
    """Return the (2, 3) transform working patch -> crop of side `size` with the eyes at the given places."""
    return similarity(EYES, canonical_eyes(size, eye_row, eye_spread))
