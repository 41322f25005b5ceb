"""Regions of interest: patches cut from any earlier product, placed by its landmarks.

Writes `patches`, `boxes` (pixels of the source's images; right and bottom exclusive) and `names`
(docs/architecture.md); the attribute `of` names the array that was cut.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError
from mer.core.source import Source
from mer.stages.rois.cutting import Array, CutParams


def process(source: Source, out: ClipWriter, method: ModuleType, params: CutParams) -> None:
    """Cut the patches of one clip.

    Raises:
        ClipError: the landmarks are not finite, or the onset that `boxes: clip` needs is unknown.
        ContainerError: the source lacks the array or the landmarks.
    """
    clip = source.clip
    assert clip is not None
    images = Images(clip, params.array)
    landmarks = chosen_landmarks(clip, params)
    boxes = np.stack([method.locate(points, images.width, images.height, params) for points in landmarks])
    for lead in np.ndindex(images.lead[:1]):
        out.append("patches", _along(images, lead, boxes, method, params)[None])
    out.write("boxes", boxes.astype(np.float32))
    out.write("names", np.array(method.names(params)))
    for name in ("alphas", "pairs", "numbers"):
        if name in clip:
            out.write(name, clip.read(name))
    out.attributes({**clip.attributes, "of": params.array})


class Images:
    """The images of an array, read one at a time as (H, W, C): `images[factor, frame]` or `images[frame]`."""

    def __init__(self, clip: Clip, array: Array) -> None:
        names = ("flow", "strain") if array == "flow_strain" else (array,)
        self._arrays: list[Any] = [clip.lazy(name) for name in names]
        self.is_flow = names[0] == "flow"
        self.channels_first = array != "frames"
        shape = self._arrays[0].shape
        tail = 2 if array == "strain" else 3
        self.lead: tuple[int, ...] = shape[:-tail]
        self.height, self.width = shape[-2:] if self.channels_first else shape[-3:-1]

    def __getitem__(self, index: tuple[int, ...]) -> np.ndarray:
        planes = [np.asarray(array[index]) for array in self._arrays]
        if not self.channels_first:
            return planes[0]
        stacked = np.concatenate([p.reshape(-1, self.height, self.width) for p in planes])
        return np.ascontiguousarray(stacked.transpose(1, 2, 0), np.float32)


def chosen_landmarks(clip: Clip, params: CutParams) -> np.ndarray:
    """Return the landmarks (N, 68, 2) that place the boxes: N is 1 for `boxes: clip`.

    Raises:
        ClipError: they are not finite, or the onset is unknown or among no pair's first frames.
    """
    landmarks = clip.read("landmarks")
    if params.boxes == "clip":
        onset = clip.attributes.get("onset")
        firsts = clip.read("pairs")[:, 0] if "pairs" in clip else np.arange(len(landmarks))
        places = np.flatnonzero(firsts == (-1 if onset is None else onset))
        if len(places) == 0:
            found = "onset unknown" if onset is None else f"no frame or pair starts at the onset ({onset})"
            raise ClipError(clip.sample_id, found, "an onset to place the boxes of the clip", "use boxes: frame")
        landmarks = landmarks[places[:1]]
    if not np.isfinite(landmarks).all():
        raise ClipError(clip.sample_id, "landmarks are not finite", "68 points per frame", "check its alignment")
    return landmarks


def _along(
    images: Images, lead: tuple[int, ...], boxes: np.ndarray, method: ModuleType, params: CutParams
) -> np.ndarray:
    """Return the patches of one index of the first axis, in the axis order of the source."""
    if len(images.lead) == 1:
        return _one(images, lead, boxes[lead[0] % len(boxes)], method, params)
    frames = range(images.lead[1])
    return np.stack([_one(images, (*lead, i), boxes[i % len(boxes)], method, params) for i in frames])


def _one(
    images: Images, index: tuple[int, ...], boxes: np.ndarray, method: ModuleType, params: CutParams
) -> np.ndarray:
    cuts = method.patches(images[index], boxes, images.is_flow, params)
    if params.array == "frames":
        return cuts
    return cuts[..., 0] if params.array == "strain" else cuts.transpose(0, 3, 1, 2)
