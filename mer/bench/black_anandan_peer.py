"""The peer of `mer.motion.black_anandan`: the published algorithm by SciPy alone (specs/au-fusion.md §3.1 and 3.2).

One pair at a time, sparse matrices, and SuperLU for every linear system, as the released Matlab code solves them by
its own direct solver. Written from the published table, without a line in common with the method that it judges.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import convolve, correlate, correlate1d, map_coordinates
from scipy.sparse.linalg import spsolve

# Share of the quadratic penalties, and size ratio of the two pyramid levels, of the three stages.
STAGES = ((1.0, 2.0), (0.5, 1.25), (0.0, 1.25))
WARPS = 3
DATA_SIGMA, SPATIAL_SIGMA = 6.3, 0.1
WEIGHT, WEIGHT_QUADRATIC = 0.1, 0.05
DERIVATIVE = np.array([-1, 9, -45, 0, 45, -9, 1]) / 60
SMOOTHING = {2.0: 5, 1.25: 3}


def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the forward flow (2, H, W) float64 in pixels between two grey images (H, W), 0-255."""
    pair = [convolve(image.astype(np.float64), gaussian(5, 5.0), mode="constant") for image in (first, second)]
    field = np.zeros((2, *first.shape))
    for quadratic, spacing in STAGES:
        for one, two in ([smaller(image, spacing) for image in pair], pair):
            ratio = one.shape[0] / field.shape[1]
            field = np.stack([resized(c, one.shape) for c in field]) * ratio if ratio != 1 else field
            for _ in range(WARPS):
                field = warped_step(field, one, two, quadratic)
    return field


def warped_step(field: np.ndarray, one: np.ndarray, two: np.ndarray, quadratic: float) -> np.ndarray:
    """Return the flow after one warp: its system built as a sparse matrix and solved directly."""
    height, width = one.shape
    y, x = np.mgrid[:height, :width]
    x, y = x + field[0], y + field[1]
    seen = map_coordinates(two, [y, x], order=1, mode="nearest")
    seen = np.where((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1), one, seen)
    ix, iy = (correlate1d(seen, DERIVATIVE, axis=axis, mode="reflect").ravel() for axis in (1, 0))
    it = (seen - one).ravel()

    def penalty(value: np.ndarray, sigma: float, weight: float, weight_quadratic: float) -> np.ndarray:
        robust: np.ndarray = (1 - quadratic) * weight * 2 / (2 * sigma**2 + value**2)
        return robust + quadratic * weight_quadratic * 2 / sigma**2

    data, d = penalty(it, DATA_SIGMA, 1, 1), differences(height, width)
    bends = [d.T @ sp.diags(penalty(d @ c.ravel(), SPATIAL_SIGMA, WEIGHT, WEIGHT_QUADRATIC)) @ d for c in field]
    across = sp.diags(data * ix * iy)
    matrix = sp.bmat([[sp.diags(data * ix * ix) + bends[0], across], [across, sp.diags(data * iy * iy) + bends[1]]])
    right = [-(b @ c.ravel()) - data * it * i for b, c, i in zip(bends, field, (ix, iy), strict=True)]
    step = spsolve(matrix.tocsc(), np.concatenate(right)).reshape(2, height, width)
    return field + np.clip(step, -1, 1)


def differences(height: int, width: int) -> sp.csr_matrix:
    """Return the forward differences of a field stacked by rows: those along x, then those along y."""
    along_x = sp.diags([-1.0, 1.0], [0, 1], shape=(width - 1, width))
    along_y = sp.diags([-1.0, 1.0], [0, 1], shape=(height - 1, height))
    return sp.vstack([sp.kron(sp.eye(height), along_x), sp.kron(along_y, sp.eye(width))]).tocsr()


def gaussian(size: int, sigma: float) -> np.ndarray:
    """Return a Gaussian (size, size) of sum 1."""
    y, x = np.mgrid[:size, :size] - size // 2
    weight = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return np.asarray(weight / weight.sum())


def smaller(image: np.ndarray, spacing: float) -> np.ndarray:
    """Return the next pyramid level: smoothed, then the nearest samples."""
    smooth = correlate(image, gaussian(SMOOTHING[spacing], spacing / 2), mode="reflect")
    rows, columns = (
        np.minimum(np.floor((np.arange(int(np.ceil(n / spacing))) + 0.5) * spacing).astype(int), n - 1)
        for n in image.shape
    )
    return np.asarray(smooth[np.ix_(rows, columns)])


def resized(field: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a field in another shape by Matlab's bilinear `imresize`, sample by sample."""
    for axis, wanted in enumerate(shape):
        count = field.shape[axis]
        scale = wanted / count
        narrow, made = min(scale, 1.0), []
        for i in range(wanted):
            at = (i + 0.5) / scale - 0.5
            taps = np.arange(int(np.floor(at - 3 / narrow)), int(np.ceil(at + 3 / narrow)) + 1)
            weight = np.maximum(0, 1 - narrow * np.abs(at - taps))
            taken = np.take(field, np.pad(np.arange(count), 9, mode="symmetric")[taps + 9], axis=axis)
            made.append(np.tensordot(weight / weight.sum(), taken, (0, axis)))
        field = np.stack(made, axis=axis)
    return field
