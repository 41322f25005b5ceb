"""The three-channel flow image (u, v, strain) that the small recognition models see (specs/peers.md §2.1)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ClipError, ModelError


def area_weights(size: int, cells: int) -> np.ndarray:
    """Return the (cells, size) float64 matrix that averages `size` pixels into `cells` equal intervals.

    A pixel split by a border counts by its share on each side; rows sum to 1. Any sizes, also cells > size.
    """
    borders = np.linspace(0.0, size, cells + 1)
    pixel = np.arange(size)
    low = np.maximum(borders[:-1, None], pixel[None])
    high = np.minimum(borders[1:, None], pixel[None] + 1.0)
    overlap = np.clip(high - low, 0.0, None)
    return overlap / overlap.sum(axis=1, keepdims=True)


def area_pool(image: np.ndarray, cells: int) -> np.ndarray:
    """Average (..., H, W) over a `cells` × `cells` grid by exact area; returns (..., cells, cells) float64."""
    height, width = image.shape[-2:]
    return area_weights(height, cells) @ image.astype(np.float64) @ area_weights(width, cells).T


def flow_image(clips: Mapping[str, Clip], size: int, pairs: int = 1) -> np.ndarray:
    """Return (3 pairs, size, size) float32 of u, v and strain of a clip's frame pairs in turn, in the product's units.

    Args:
        clips: has `motion`, a clip with `flow` ([1,] P, 2, H, W) and `strain` ([1,] P, H, W).
        size: side of the image; the field is averaged by area. Displacements keep their unit, pixels of the product.
        pairs: P.

    Raises:
        ModelError: the product holds another number of frame pairs, several magnification factors, or shapes that do
            not fit.
    """
    clip = clips["motion"]
    where = clip.where
    flow, strain = clip.lazy("flow"), clip.lazy("strain")
    if flow.ndim not in (4, 5) or flow.shape[-3] != 2 or strain.shape != (*flow.shape[:-3], *flow.shape[-2:]):
        raise ModelError(where, f"flow {flow.shape}, strain {strain.shape}", "flow (1, 2, H, W), strain (1, H, W)")
    if flow.shape[:-3] not in ((pairs,), (1, pairs)):
        if pairs > 1:
            raise ModelError(
                where, f"flow {flow.shape}", f"{pairs} frame pairs", "name a flow variant that has as many"
            )
        found = f"flow {flow.shape}: several frame pairs or magnification factors"
        raise ModelError(where, found, "one pair", "name a flow variant with the onset-apex pair only")
    height, width = flow.shape[-2:]
    fields = flow[()].reshape(pairs, 2, height, width), strain[()].reshape(pairs, 1, height, width)
    return area_pool(np.concatenate(fields, axis=1), size).reshape(3 * pairs, size, size).astype(np.float32)


def first_landmarks(clips: Mapping[str, Clip]) -> np.ndarray:
    """Return the landmarks (68, 2) of the first frame of a clip's first pair, pixels of the product.

    Args:
        clips: has `motion`, as for `flow_image`.

    Raises:
        ClipError: they are not finite.
    """
    clip = clips["motion"]
    landmarks = np.asarray(clip.read("landmarks")).reshape(-1, 68, 2)[0]
    if not np.isfinite(landmarks).all():
        raise ClipError(clip.sample_id, "landmarks are not finite", "68 points per frame", "check its alignment")
    return landmarks
