"""Temporal interpolation model (Zhou, Zhao and Pietikäinen, CVPR 2011) in closed form.

TIM embeds the frames on the path graph, whose Laplacian eigenvectors are the DCT-II basis, and maps the curve back
to images. For linearly independent frames the map cancels, and what is left is a fixed matrix of weights
(specs/aman-magnet-rife.md E.1): no decomposition, no failure on repeated frames. Every output depends on every
frame of the segment. Values outside 0-255 are clipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mer.core.levels import as_uint8
from mer.stages.interpolate.method import InterpolateMethod, ScheduleParams

BLOCK = 16


class Params(ScheduleParams):
    """Keys of `method: tim`."""


def tim_weights(count: int, positions: np.ndarray) -> np.ndarray:
    """Return the weight of every input frame in every output frame.

    C[i, j] = 1/N + 2/N sum_k cos(pi k (i + 1/2) / N) cos(pi k (t_j + 1/2) / N), k = 1 ... N - 1.

    Args:
        count: N, number of input frames.
        positions: (F,) float t_j in [0, N - 1].

    Returns:
        (N, F) float64; every column sums to 1.
    """
    k = np.arange(1, count)
    inputs = np.cos(np.pi / count * np.outer(np.arange(count) + 0.5, k))
    outputs = np.cos(np.pi / count * np.outer(np.asarray(positions) + 0.5, k))
    return 1 / count + 2 / count * inputs @ outputs.T


def resample(frames: Any, positions: np.ndarray, params: Params | None = None) -> np.ndarray:
    """Return the frames at fractional positions by TIM over the segment that they span; see `InterpolateMethod`.

    Rounded and clipped. Frames are read in blocks, so that a long clip never sits in memory.
    """
    first, last = int(np.floor(np.min(positions))), int(np.ceil(np.max(positions)))
    weights = tim_weights(last - first + 1, np.asarray(positions) - first).T
    total = np.zeros((len(positions), int(np.prod(frames.shape[1:]))))
    for start in range(first, last + 1, BLOCK):
        stop = min(start + BLOCK, last + 1)
        block = np.asarray(frames[start:stop], np.float64).reshape(stop - start, -1)
        total += weights[:, start - first : stop - first] @ block
    return as_uint8(total).reshape(len(positions), *frames.shape[1:])


METHOD = InterpolateMethod(Params, resample)
