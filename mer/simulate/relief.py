"""Fine structure that a 512-pixel photograph lacks: pores, strands, stubble, wrinkles. All fixed to the face."""

from __future__ import annotations

import cv2
import numpy as np

from mer.simulate.exact import LEVEL_BITS, bilinear, blur, function, on_grid

# No detail finer than this many texels: the texture is sampled at every other texel, and a lens blurs.
FINEST = 1.5


def noise(rng: np.random.Generator, shape: tuple[int, int], across: float, along: float | None = None) -> np.ndarray:
    """Return smooth Gaussian noise (h, w) float32 of unit variance.

    Args:
        across: correlation length along x in texels.
        along: the same along y; equal to `across` when None.
    """
    along = across if along is None else along
    step_x, step_y = max(1, int(across / 3)), max(1, int(along / 3))
    small = rng.standard_normal((-(-shape[0] // step_y) + 4, -(-shape[1] // step_x) + 4), dtype=np.float32)
    smooth = blur(small, max(across / step_x, 0.3), max(along / step_y, 0.3))
    size = small.shape[1] * step_x, small.shape[0] * step_y
    full = np.asarray(cv2.resize(smooth, size, interpolation=cv2.INTER_LANCZOS4))
    full = full[step_y : step_y + shape[0], step_x : step_x + shape[1]]
    return full / full.std()


def skin_relief(rng: np.random.Generator, shape: tuple[int, int], scale: float, age: float) -> np.ndarray:
    """Return the relative brightness (h, w) float32 of skin: pores, unevenness and mottling.

    Args:
        scale: texels per photo pixel.
        age: 0-1, deepens it.
    """
    fine = noise(rng, shape, max(FINEST, 0.32 * scale))
    middle = noise(rng, shape, 0.9 * scale)
    broad = noise(rng, shape, 4.5 * scale)
    pores = np.minimum(fine, 0.6)
    return 1 + (0.016 + 0.012 * age) * pores + (0.010 + 0.012 * age) * middle + 0.018 * broad


def strands(rng: np.random.Generator, shape: tuple[int, int], scale: float, direction: np.ndarray) -> np.ndarray:
    """Return hair strands (h, w) float32 of unit variance: noise smeared along `direction` (h, w) radians."""
    streaks = noise(rng, shape, max(FINEST, 0.30 * scale))
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    step = 1.6
    dx, dy = step * function(np.cos, direction), step * function(np.sin, direction)
    for doubling in range(4):
        reach = np.float32(2**doubling)
        ahead = bilinear(streaks, x + reach * dx, y + reach * dy)
        back = bilinear(streaks, x - reach * dx, y - reach * dy)
        streaks = (ahead + streaks + back) / 3
    return streaks / streaks.std()


def strand_direction(grey: np.ndarray, sigma: float) -> np.ndarray:
    """Return the direction (h, w) float32 in radians along which `grey` (h, w) varies least: the structure tensor's."""
    grey = on_grid(blur(grey, 0.3 * sigma), LEVEL_BITS)
    gx, gy = cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1)
    # Weighted by the slope, not its square, whose small values the grid would not hold.
    slope = np.maximum(np.sqrt(gx * gx + gy * gy), 2.0**-LEVEL_BITS)
    cosine, sine = blur((gx * gx - gy * gy) / slope, sigma), blur(2 * gx * gy / slope, sigma)
    return np.float32(0.5) * function(np.arctan2, sine, cosine) + np.float32(np.pi / 2)


def curve_mask(shape: tuple[int, int], points: np.ndarray, width: float) -> np.ndarray:
    """Return a soft line (h, w) float32, 1 on the smooth curve through `points` (n, 2), of `width` texels."""
    from scipy.interpolate import make_interp_spline

    knots = np.linspace(0, 1, len(points))
    line = make_interp_spline(knots, points, k=min(3, len(points) - 1))(np.linspace(0, 1, 60))
    low = np.clip(np.floor(line.min(0) - 4 * width), 0, [shape[1] - 1, shape[0] - 1]).astype(int)
    high = np.clip(np.ceil(line.max(0) + 4 * width) + 1, low + 1, [shape[1], shape[0]]).astype(int)
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    away = np.full(x.shape, np.inf)
    for k, (px, py) in enumerate(line):
        taper = 0.35 + 0.65 * np.sin(np.pi * (k + 0.5) / len(line))
        away = np.minimum(away, ((x - px) ** 2 + (y - py) ** 2) / (width * taper) ** 2)
    mask = np.zeros(shape, dtype=np.float32)
    mask[low[1] : high[1], low[0] : high[0]] = function(np.exp, -away)
    return mask
