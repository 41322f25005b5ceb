"""Magnification: every frame of a clip at each of several displacement factors.

Reads an `align` or `interpolate` product, writes `frames` (A, F, S, S, 3), `alphas`, `landmarks` and `numbers`
(docs/architecture.md). The landmarks are those of the frames as filmed.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError, ContainerError
from mer.core.source import Source
from mer.stages.magnify.factors import FactorParams


def process(source: Source, out: ClipWriter, method: ModuleType, params: FactorParams) -> None:
    """Magnify one clip.

    Raises:
        ClipError: the onset is the reference and unknown.
        ContainerError: the source has no face crops.
    """
    clip = source.clip
    assert clip is not None
    frames = clip.lazy("frames")
    if frames.ndim != 4:
        raise ContainerError(clip.sample_id, f"frames of shape {frames.shape}", "(frames, height, width, 3)")
    reference = reference_index(clip, params, len(frames))
    for block in method.magnified(frames, reference, params):
        out.append("frames", block[None])
    out.write("alphas", np.asarray(params.alphas, np.float64))
    out.write("landmarks", clip.read("landmarks"))
    out.write("numbers", clip.read("numbers").astype(np.float64))
    out.attributes({"reference": reference, **clip.attributes})


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
