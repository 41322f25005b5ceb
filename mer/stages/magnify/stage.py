"""Magnification: every frame of a clip at each of several displacement factors.

Reads an `align` or `interpolate` product, writes `frames` (A, F, S, S, 3), `alphas`, `landmarks` and `numbers`
(docs/architecture.md). The landmarks are those of the frames as filmed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError, ContainerError
from mer.core.source import Source
from mer.stages.contract import Array, Stage
from mer.stages.magnify.method import FactorParams, MagnifyMethod


def process(source: Source, out: ClipWriter, method: MagnifyMethod[Any], params: FactorParams) -> None:
    """Magnify one clip.

    Raises:
        ClipError: the clip is empty, or the onset is the reference and unknown.
        ContainerError: the source has no face crops.
    """
    clip = source.clip
    assert clip is not None
    frames = clip.lazy("frames")
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        found = f"frames of shape {frames.shape}, {frames.dtype}"
        raise ContainerError(clip.sample_id, found, "(frames, height, width, 3) uint8")
    if len(frames) == 0:
        raise ClipError(clip.sample_id, "no frame in the source", "at least one")
    reference = reference_index(clip, params, len(frames))
    for block in method.magnified(frames, reference, params):
        out.append("frames", block[None])
    order = params.order(len(frames))
    out.write("alphas", np.asarray(params.alphas, np.float64))
    out.write("landmarks", clip.read("landmarks")[order])
    out.write("numbers", clip.read("numbers").astype(np.float64)[order])
    out.attributes({**clip.attributes, **_events(clip, order)})
    out.attributes({"reference": int(np.searchsorted(order, reference)) if reference in order else None})


def _events(clip: Clip, order: np.ndarray) -> dict[str, int]:
    """Return onset, apex and offset, where known, on the frame axis of the product: the frame itself or the next."""
    known = {name: clip.attributes.get(name) for name in ("onset", "apex", "offset")}
    inside = {name: index for name, index in known.items() if index is not None and 0 <= index < len(order)}
    return {name: min(int(np.searchsorted(order, index)), len(order) - 1) for name, index in inside.items()}


def reference_index(clip: Clip, params: FactorParams, count: int) -> int:
    """Return the index of the frame that motion is relative to.

    Raises:
        ClipError: it is the onset, which is unknown or outside the clip.
    """
    if params.reference == "first":
        return 0
    onset = clip.attributes.get("onset")
    if onset is None or not 0 <= onset < count:
        found = "onset unknown" if onset is None else f"onset {onset} is outside the clip"
        raise ClipError(clip.sample_id, found, "an onset to magnify from", "use reference: first")
    return int(onset)


STAGE = Stage(
    process,
    {
        "frames": Array("A, F, S, S, 3", "uint8", "RGB crops, one clip per factor"),
        "alphas": Array("A", "float64", "total displacement over that filmed"),
        "landmarks": Array("F, 68, 2", "float32", "(x, y) pixels of the crop, as filmed"),
        "numbers": Array("F", "float64", "file numbers"),
    },
)
