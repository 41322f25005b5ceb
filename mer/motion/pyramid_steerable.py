"""A complex steerable pyramid in the frequency domain: oriented bands whose phase follows motion.

After Simoncelli and Freeman (ICIP 1995) and Portilla and Simoncelli (IJCV 2000), with bands of one octave or a part of
it (Wadhwa et al., SIGGRAPH 2013). Radial windows are quarter waves in the logarithm of the frequency, angular ones
powers of a cosine on a half-plane; the squares of all windows of a frequency and its opposite add up to one, with that
of the low-pass rest. So the bands analyse and, windowed again, synthesise. The finest band reaches into the corners of
the spectrum: there is no high-pass rest. Each band is sampled as coarsely as its highest frequency allows.

Images are mirrored beyond their borders, for the transform repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import factorial

import numpy as np


@dataclass(frozen=True)
class Band:
    """One oriented band.

    `rows` and `columns` are the indices (h,) and (w,) of its frequencies in the transform of the padded image, `window`
    (h, w) float32 what they are multiplied with, `level` the number of the radial window, 0 the finest, and `share`
    (h w) / (H W), which keeps amplitudes in grey levels.
    """

    rows: np.ndarray
    columns: np.ndarray
    window: np.ndarray
    level: int
    share: float

    def analyse(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the band (h, w) complex64 of a spectrum (H, W) of `Pyramid.spectrum`."""
        from scipy.fft import ifft2

        band: np.ndarray = ifft2(spectrum[np.ix_(self.rows, self.columns)] * (self.window * np.float32(self.share)))
        return band

    def synthesise(self, band: np.ndarray, spectrum: np.ndarray) -> None:
        """Add what a band (h, w) complex64 gives to a spectrum (H, W), in place; see `Pyramid.image`."""
        from scipy.fft import fft2

        spectrum[np.ix_(self.rows, self.columns)] += fft2(band) * (self.window / np.float32(self.share))


class Pyramid:
    """The bands of images of one size.

    Args:
        height: rows of the image.
        width: its columns.
        octaves: number of octaves below the highest frequencies that the bands cover; fewer for small images.
        per_octave: bands per octave.
        orientations: bands per radius, over half a turn.
    """

    def __init__(self, height: int, width: int, octaves: int, per_octave: int, orientations: int) -> None:
        self.shape = height, width
        # Half the period of the coarsest band: what is beyond a border hardly reaches what is within.
        margins = [min(side - 1, 2**octaves) for side in self.shape]
        self.padded = tuple(_length(side + 2 * margin) for side, margin in zip(self.shape, margins, strict=True))
        self.before = tuple((whole - side) // 2 for whole, side in zip(self.padded, self.shape, strict=True))
        self.count = octaves * per_octave
        self.bands = tuple(bands(self.padded, self.count, per_octave, orientations))
        self.rest = _low(_radius(self.padded), self.count, per_octave).astype(np.float32) ** 2

    def spectrum(self, image: np.ndarray) -> np.ndarray:
        """Return the transform (H, W) complex64 of the mirrored image (height, width) float32."""
        from scipy.fft import fft2

        pads = [
            (before, whole - before - side)
            for before, whole, side in zip(self.before, self.padded, self.shape, strict=True)
        ]
        spectrum: np.ndarray = fft2(np.pad(image, pads, mode="reflect"))
        return spectrum

    def image(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the image (height, width) float32 of a synthesised spectrum, of which only one half-plane counts."""
        from scipy.fft import ifft2

        top, left = self.before
        whole = 2 * ifft2(spectrum).real
        inner: np.ndarray = whole[top : top + self.shape[0], left : left + self.shape[1]]
        return inner


@lru_cache(maxsize=4)
def pyramid(height: int, width: int, octaves: int, per_octave: int, orientations: int) -> Pyramid:
    """Return the `Pyramid` of these arguments, built once."""
    return Pyramid(height, width, octaves, per_octave, orientations)


def _length(least: int) -> int:
    """Return the next odd length with a fast transform: an even one has a highest frequency without an opposite."""
    from scipy.fft import next_fast_len

    length = least
    while length % 2 == 0 or next_fast_len(length) != length:
        length += 1
    return length


def _frequencies(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequencies (H, 1) and (1, W) of a transform, 1 the highest of an axis."""
    return 2 * np.fft.fftfreq(shape[0])[:, None], 2 * np.fft.fftfreq(shape[1])[None]


def _radius(shape: tuple[int, ...]) -> np.ndarray:
    return np.hypot(*_frequencies(shape))


def _low(radius: np.ndarray, level: int, per_octave: int) -> np.ndarray:
    """Return the low-pass below radial window `level`, 1 below its transition, which is as wide as a band."""
    edge = 2.0 ** (-level / per_octave)
    octaves = np.log2(np.maximum(radius, 1e-12) / edge)
    return np.cos(np.pi / 2 * np.clip(1 + octaves * per_octave, 0, 1))


def radial(radius: np.ndarray, level: int, per_octave: int) -> np.ndarray:
    """Return radial window `level` (0 the finest) at radii, 1 the highest frequency of an axis."""
    below = _low(radius, level + 1, per_octave)
    within = np.sqrt(np.maximum(1 - below**2, 0))
    return within if level == 0 else within * _low(radius, level, per_octave)


def angular(angle: np.ndarray, orientation: int, orientations: int) -> np.ndarray:
    """Return angular window `orientation` at angles in radians: zero on half of the turn."""
    power = orientations - 1
    # The mean of cos^(2 power) over a turn makes the squares of all orientations and their opposites add up to 1.
    mean = factorial(2 * power) / (4**power * factorial(power) ** 2)
    cosine = np.cos(angle - np.pi * orientation / orientations)
    return np.where(cosine > 0, cosine, 0) ** power * (cosine > 0) / np.sqrt(orientations * mean)


def bands(shape: tuple[int, ...], count: int, per_octave: int, orientations: int) -> Iterator[Band]:
    """Yield the bands of transforms of a shape (H, W), the finest first, all orientations of a radius together.

    Args:
        shape: of the transform; a frequency that is its own opposite, as an even side has, is not shared out fully.
        count: number of radial windows.
        per_octave: of them per octave.
        orientations: bands per radial window.
    """
    y, x = _frequencies(shape)
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    for level in range(count):
        kept = [_kept(side, 1.0 if level == 0 else 2.0 ** (-level / per_octave)) for side in shape]
        where = np.ix_(*kept)
        share = len(kept[0]) * len(kept[1]) / (shape[0] * shape[1])
        ring = radial(radius[where], level, per_octave)
        for orientation in range(orientations):
            window = ring * angular(angle[where], orientation, orientations)
            yield Band(kept[0], kept[1], window.astype(np.float32), level, share)


def _kept(side: int, edge: float) -> np.ndarray:
    """Return the indices of an axis' frequencies up to `edge`, in the order of a transform of their own."""
    half = int(np.ceil(edge * side / 2))
    if 2 * half + 2 >= side:
        return np.arange(side)
    return np.concatenate([np.arange(half + 1), np.arange(side - half - 1, side)])
