"""Cutting the aligned crop out of a frame.

OpenCV's 8-bit warps round positions to 1/32 pixel, and its cubic kernel misplaces a sub-pixel step by up to
0.045 pixel (0.027 RMS measured on a face), as much as a faint micro-expression moves. So the luminance is doubled
by a Lanczos kernel at half-pixel phases and sampled bilinearly in float32, which is exact to 0.002 pixel. The
colour differences, which cameras and JPEG store at half resolution anyway, are sampled bilinearly as they are.
A region that is shrunk to half or less needs no doubling.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from mer.core.geometry import apply, invert, scale_of
from mer.core.levels import as_uint8

_REACH = 6  # source pixels around the region that the kernels read


def antialias_sigma(scale: float) -> float:
    """Return the Gaussian sigma in source pixels against aliasing in a crop of `scale` (crop per source pixel).

    It is the blur of a crop pixel (sigma 0.5) less that of a source pixel; 0 when the crop enlarges.
    """
    return 0.5 * float(np.sqrt(max(1 / scale**2 - 1, 0.0)))


def crops(frames: Iterable[np.ndarray], transform: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the crop of each frame (H, W, 3) uint8 under transform (T, 2, 3), with one blur for the whole clip."""
    sigma = antialias_sigma(float(np.median(scale_of(transform))))
    for image, matrix in zip(frames, transform, strict=True):
        yield crop(image, matrix, size, sigma)


def crop(image: np.ndarray, matrix: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """Return the (size, size, 3) uint8 crop of `image` (H, W, 3) uint8 under `matrix` (2, 3) source -> crop.

    `sigma` is the blur before sampling in source pixels, one for a whole clip so that sharpness does not
    change with the size of the face. Outside the picture its border is repeated.
    """
    import cv2

    corners = np.array([[0, 0], [size - 1, 0], [0, size - 1], [size - 1, size - 1]], float)
    reach = apply(invert(matrix), corners)
    edge = _REACH + int(np.ceil(3 * sigma))
    limit = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(reach.min(axis=0)).astype(int) - edge, 0, limit - 2)
    high = np.clip(np.ceil(reach.max(axis=0)).astype(int) + edge + 1, low + 2, limit)
    region: np.ndarray = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    if sigma > 0:
        region = cv2.GaussianBlur(region, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    back = invert(matrix)
    back[:, 2] -= low
    tones = cv2.cvtColor(region, cv2.COLOR_RGB2YCrCb)
    light = np.ascontiguousarray(tones[..., 0])
    out = _warp(tones, back, size)
    out[..., 0] = _warp(doubled(light), 2 * back, size) if scale_of(matrix) > 0.5 else _warp(light, back, size)
    return as_uint8(cv2.cvtColor(out, cv2.COLOR_YCrCb2RGB))


def doubled(image: np.ndarray) -> np.ndarray:
    """Return (H, W) float32 at twice the density: pixel (2x, 2y) of the result is pixel (x, y) of the image.

    The pixels between come from the 8-tap Lanczos kernel at half a pixel.
    """
    import cv2

    rows, columns = image.shape
    tall = np.empty((rows, 2, columns), np.float32)
    tall[:, 0] = image
    tall[:, 1] = cv2.sepFilter2D(image, -1, _ONE, _HALF, anchor=(0, 3), borderType=cv2.BORDER_REPLICATE)
    lines = tall.reshape(2 * rows, columns)
    between = cv2.sepFilter2D(lines, -1, _HALF, _ONE, anchor=(3, 0), borderType=cv2.BORDER_REPLICATE)
    return cv2.merge([lines, between]).reshape(2 * rows, 2 * columns)


def _lanczos_half() -> np.ndarray:
    offsets = np.arange(-3.5, 4.0)
    taps = np.sinc(offsets) * np.sinc(offsets / 4)
    return taps / taps.sum()


_HALF = _lanczos_half()
_ONE = np.ones(1)


def _warp(image: np.ndarray, back: np.ndarray, size: int) -> np.ndarray:
    import cv2

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, back, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
