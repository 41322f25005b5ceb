"""Operations whose results are the same bits on every processor, for everything that ends up in a simulated frame.

Libraries choose their inner loops by the processor: sums run in another order, a product and a sum are rounded once
instead of twice, and functions like exp are wrong in another last bit. Nothing of that matters to a sum of numbers of
which every partial sum is itself a number: so images and kernels are rounded to multiples of a power of two before
they are summed, few enough bits for float64 to hold every sum exactly. Functions are computed in float64 and rounded
to float32, where the last bit of the former is lost. Addition, multiplication, division and the square root of single
elements are the same everywhere, and so is `mer.simulate.sampling.sample` with the Lanczos kernel, whose loop OpenCV
has once.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

# Bits after the point: of images (up to 32 in size), of kernels, of positions in pixels, of rotations.
LEVEL_BITS, KERNEL_BITS, PLACE_BITS, TURN_BITS = 18, 15, 12, 24
# A blur ends after so many standard deviations: with what lies beyond it would cost a third more.
REACH = 3.2


def on_grid(values: np.ndarray, bits: int) -> np.ndarray:
    """Return values (...) rounded to multiples of 2^-bits, float64."""
    return np.rint(np.asarray(values, dtype=np.float64) * 2.0**bits) * 2.0**-bits


def function(of: Callable[..., np.ndarray], *values: np.ndarray | float) -> np.ndarray:
    """Return an elementary function of arrays (...), computed in float64, as float32."""
    return np.asarray(of(*(np.asarray(v, dtype=np.float64) for v in values)), dtype=np.float32)


def blur(image: np.ndarray, sigma: float, sigma_y: float | None = None) -> np.ndarray:
    """Return `image` (h, w[, c]), below 32 in size, smoothed by a Gaussian, float32; edges are mirrored.

    Args:
        image: real values; an image with one channel comes back without that axis.
        sigma: standard deviation along x in pixels.
        sigma_y: the same along y; equal to `sigma` when None.
    """
    across, down = gaussian(sigma), gaussian(sigma if sigma_y is None else sigma_y)
    smooth = cv2.sepFilter2D(on_grid(image, LEVEL_BITS), cv2.CV_64F, across, down, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(smooth, dtype=np.float32)


def gaussian(sigma: float) -> np.ndarray:
    """Return a Gaussian kernel (n,) float64 on the grid of kernels, whose sum is exactly 1."""
    reach = max(1, round(REACH * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = on_grid(kernel / kernel.sum(), KERNEL_BITS)
    kernel[reach] += 1 - kernel.sum()
    return np.asarray(np.trim_zeros(kernel))


def product(down: np.ndarray, values: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return `down @ values @ across.T` (h, w) float64 of (h, m), (m, n) and (w, n).

    Args:
        down: matrix whose rows sum to about 1 in size.
        values: below 2^14 in size, taken to the grid of positions.
        across: as `down`.
    """
    down, across = on_grid(down, KERNEL_BITS + 3), on_grid(across, KERNEL_BITS + 3)
    rows = on_grid(down @ on_grid(values, PLACE_BITS + 4), PLACE_BITS + 4)
    return np.asarray(rows @ across.T)


def weighted(image: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """Return the weighted sum (h, w) of the channels of `image` (h, w, c), of its dtype."""
    total = image[..., 0] * image.dtype.type(weights[0])
    for channel, weight in enumerate(weights[1:], start=1):
        total += image[..., channel] * image.dtype.type(weight)
    return np.asarray(total)


def bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return `image` (h, w) float32 at positions `x`, `y` (H, W) float32, edges repeated."""
    last = np.array(image.shape, dtype=np.float32) - 1
    x, y = np.clip(x, 0, last[1]), np.clip(y, 0, last[0])
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, bottom = np.minimum(left + 1, image.shape[1] - 1), np.minimum(top + 1, image.shape[0] - 1)
    fx, fy = x - left.astype(np.float32), y - top.astype(np.float32)
    upper = image[top, left] * (1 - fx) + image[top, right] * fx
    lower = image[bottom, left] * (1 - fx) + image[bottom, right] * fx
    return np.asarray(upper * (1 - fy) + lower * fy)


class ThinPlate:
    """A thin-plate spline through scattered values, as `scipy.interpolate.RBFInterpolator` has it.

    Its linear system amplifies a last bit a million times, and LAPACK orders its sums by the processor: hence
    elimination row by row, and logarithms on a grid.

    Args:
        points: (n, 2) where the values are known.
        values: (n, m) the values.
        smoothing: 0 passes through them; what is added to the diagonal.
    """

    def __init__(self, points: np.ndarray, values: np.ndarray, smoothing: float) -> None:
        self.points, count = points, len(points)
        self._middle, self._size = points.mean(axis=0), np.ptp(points, axis=0) / 2
        system = np.zeros((count + 3, count + 3 + values.shape[1]))
        system[:count, :count] = self._kernel(points) + smoothing * np.eye(count)
        system[:count, count : count + 3] = self._plane(points)
        system[count:, :count] = system[:count, count : count + 3].T
        system[:count, count + 3 :] = values
        self._weights = _eliminated(system, count + 3)

    def __call__(self, where: np.ndarray) -> np.ndarray:
        """Return the values (N, m) float64 at `where` (N, 2), on the grid of positions."""
        terms = np.concatenate([self._kernel(where), self._plane(where)], axis=1)
        return on_grid(np.stack([(terms * column).sum(axis=1) for column in self._weights.T], axis=-1), PLACE_BITS)

    def _kernel(self, where: np.ndarray) -> np.ndarray:
        square = ((where[:, None] - self.points) ** 2).sum(axis=-1)
        return square * on_grid(0.5 * np.log(np.where(square > 0, square, 1.0)), 30)

    def _plane(self, where: np.ndarray) -> np.ndarray:
        return np.concatenate([np.ones((len(where), 1)), (where - self._middle) / self._size], axis=1)


def _eliminated(system: np.ndarray, unknowns: int) -> np.ndarray:
    """Return the solution of a system (n, n + m) by Gauss-Jordan elimination with row pivots."""
    for k in range(unknowns):
        pivot = k + int(np.argmax(np.abs(system[k:, k])))
        system[[k, pivot]] = system[[pivot, k]]
        system[k] /= system[k, k]
        factors = system[:, k].copy()
        factors[k] = 0
        system -= factors[:, None] * system[k]
    return system[:, unknowns:]
