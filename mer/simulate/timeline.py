"""How an expression, a blink and the head's pose unfold over continuous time.

Time is in file numbers (frames of the recording); fractions lie between frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer.core.geometry import apply
from mer.core.seeds import derive_seed
from mer.simulate.exact import PLACE_BITS, TURN_BITS, on_grid
from mer.simulate.expression import UnitPlan

BLINK_CLOSING, BLINK_OPENING = 0.045, 0.085
ROLL_PER_PIXEL, ZOOM_PER_PIXEL = 0.0012, 0.0008


def smooth_step(x: np.ndarray) -> np.ndarray:
    """Rise from 0 at x = 0 to 1 at x = 1 with zero first and second derivatives at both ends."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * x * (x * (6.0 * x - 15.0) + 10.0)


def unit_intensity(unit: UnitPlan, onset: float, apex: float, offset: float, time: np.ndarray) -> np.ndarray:
    """Return a unit's intensity at `time` (...): 0 up to the onset, `peak` at the apex, 0 from the offset on.

    Rise and decay are smooth and of different lengths; the unit starts `lag` late and rests `lead` early.
    """
    time = np.asarray(time, dtype=np.float64)
    start = onset + unit.lag * (apex - onset)
    end = offset - unit.lead * (offset - apex)
    rise = smooth_step((time - start) / (apex - start))
    decay = smooth_step((end - time) / (end - apex))
    return unit.peak * np.minimum(rise, decay)


def intensities(units: Sequence[UnitPlan], onset: float, apex: float, offset: float, time: np.ndarray) -> np.ndarray:
    """Return the intensities (..., n_units) at `time` (...)."""
    return np.stack([unit_intensity(u, onset, apex, offset, time) for u in units], axis=-1)


@dataclass(frozen=True)
class Blink:
    """One blink: the frame number at which the lids are closed, and the frame rate."""

    closed_at: float
    fps: float

    def closure(self, time: np.ndarray) -> np.ndarray:
        """Return how far the lids are closed at `time` (...), 0 to 1; lids close faster than they open."""
        seconds = (np.asarray(time, dtype=np.float64) - self.closed_at) / self.fps
        return np.where(seconds < 0, smooth_step(1 + seconds / BLINK_CLOSING), smooth_step(1 - seconds / BLINK_OPENING))


def draw_blink(seed: int, probability: float, first: float, last: float, fps: float) -> Blink | None:
    """Draw whether and when a clip's subject blinks between the frames `first` and `last`."""
    rng = np.random.default_rng(derive_seed(seed, "blink"))
    happens, when = rng.random() < probability, rng.uniform(first, last)
    return Blink(float(when), fps) if happens else None


@dataclass(frozen=True)
class Turn:
    """The head leaves its place at file number `start`, within `swing` numbers, stays for `hold`, and comes back.

    `size` is what is added to (x in px, y in px, roll in radians, log zoom).
    """

    start: float
    swing: float
    hold: float
    size: tuple[float, ...]

    def share(self, time: float) -> float:
        """Return how much of `size` applies at `time`, 0 to 1."""
        out = smooth_step(np.asarray((time - self.start) / self.swing))
        back = smooth_step(np.asarray((time - self.start - self.swing - self.hold) / self.swing))
        return float(out - back)


@dataclass(frozen=True)
class HeadMotion:
    """Slow planar motion of the head: a similarity transform about `centre` at every time.

    `start` is (x, y, roll, log zoom) of the recording; `waves` (4, n, 3) holds amplitude, frequency in
    cycles per second and phase of each component's sinusoids.
    """

    centre: tuple[float, float]
    start: np.ndarray
    waves: np.ndarray
    fps: float
    turns: tuple[Turn, ...] = ()

    def components(self, time: float) -> np.ndarray:
        """Return (x in px, y in px, roll in radians, log zoom) at `time`."""
        amplitude, frequency, phase = np.moveaxis(self.waves, -1, 0)
        angle = 2 * np.pi * frequency * float(time) / self.fps + phase
        moved = self.start + np.sum(amplitude * np.sin(angle), axis=1)
        for turn in self.turns:
            if turn.start < time < turn.start + 2 * turn.swing + turn.hold:
                moved = moved + turn.share(time) * np.array(turn.size)
        return moved

    def matrix(self, time: float) -> np.ndarray:
        """Return H_t (2, 3) float64: neutral material pixels to frame pixels."""
        x, y, roll, zoom = self.components(time)
        cos, sin = np.exp(zoom) * np.cos(roll), np.exp(zoom) * np.sin(roll)
        matrix = on_grid(np.array([[cos, -sin, 0.0], [sin, cos, 0.0]]), TURN_BITS)
        centre = np.asarray(self.centre)
        matrix[:, 2] = on_grid(centre + [x, y] - apply(matrix, centre), PLACE_BITS)
        return matrix


def draw_head_motion(seed: int, drift: float, scale: float, centre: tuple[float, float], fps: float) -> HeadMotion:
    """Draw the head motion of a recording.

    Args:
        drift: amplitude in pixels at 640x480; 0 leaves only the recording's own (still) seat.
        scale: frame size relative to 640x480.
    """
    rng = np.random.default_rng(derive_seed(seed, "head"))
    start = rng.uniform(-1, 1, 4) * [7.0 * scale, 4.0 * scale, 0.035, 0.018]
    frequency = rng.uniform(0.15, 1.0, (4, 3))
    size = drift * np.array([scale, 0.8 * scale, ROLL_PER_PIXEL, ZOOM_PER_PIXEL])[:, None]
    amplitude = size * rng.uniform(0.3, 1.0, (4, 3)) / np.sqrt(3 * frequency / 0.5)
    phase = rng.uniform(0, 2 * np.pi, (4, 3))
    return HeadMotion(centre, start, np.stack([amplitude, frequency, phase], axis=-1), fps)
