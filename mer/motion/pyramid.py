"""The Laplacian pyramid of Burt and Adelson with a five-tap binomial kernel, and its inverse.

Filters are [1 4 6 4 1] / 16 on each axis, images are mirrored about their border pixels, and a level is half of the one
before, rounded up (specs/au-fusion.md 2.1). The difference of a level to the next, expanded, is a band, and the last
level stays as it is, so that `collapse` of unchanged bands is the image again whatever the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16


def height(rows: int, columns: int) -> int:
    """Return the number of bands of an image: one, and one for every halving (rounded down) of sides of at least 5."""
    bands, side = 1, min(rows, columns)
    while side >= len(_KERNEL):
        bands, side = bands + 1, side // 2
    return bands


def laplacian(image: np.ndarray) -> list[np.ndarray]:
    """Return the bands of an image (H, W) float32 from fine to coarse, the last the rest: (H', W') float32."""
    bands = []
    for _ in range(height(*image.shape) - 1):
        smaller = reduced(image)
        bands.append(image - expanded(smaller, image.shape))
        image = smaller
    return [*bands, image]


def collapse(bands: Sequence[np.ndarray]) -> np.ndarray:
    """Return the image (H, W) float32 of bands as `laplacian` gives them."""
    image = bands[-1]
    for band in reversed(bands[:-1]):
        image = band + expanded(image, band.shape)
    return image


def reduced(image: np.ndarray) -> np.ndarray:
    """Return every second row and column, from the first, of the smoothed image (H, W)."""
    from scipy.ndimage import correlate1d

    smooth = correlate1d(image, _KERNEL, axis=0, mode="mirror")[::2]
    halved: np.ndarray = correlate1d(smooth, _KERNEL, axis=1, mode="mirror")[:, ::2]
    return halved


def expanded(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an image (H', W') on the grid of `shape` (H, W) that `reduced` took it from."""
    from scipy.ndimage import correlate1d

    tall = np.zeros((shape[0], image.shape[1]), image.dtype)
    tall[::2] = image
    wide = np.zeros(shape, image.dtype)
    wide[:, ::2] = correlate1d(tall, 2 * _KERNEL, axis=0, mode="mirror")
    result: np.ndarray = correlate1d(wide, 2 * _KERNEL, axis=1, mode="mirror")
    return result
