"""Regions of interest: patches cut from any earlier product, placed by its landmarks.

Writes `patches`, `boxes` (pixels of the source's images; right and bottom exclusive), `names` and `units`
(docs/architecture.md); the attribute `of` names the array that was cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError
from mer.core.source import Source
from mer.stages.contract import Array, Stage
from mer.stages.rois.method import CutParams, Cuttable, RoisMethod

ROWS = 64


def process(source: Source, out: ClipWriter, method: RoisMethod[Any], params: CutParams) -> None:
    """Cut the patches of one clip.

    Raises:
        ClipError: the landmarks are not finite, or the onset that `boxes: clip` needs is unknown.
        ContainerError: the source lacks the array or the landmarks.
    """
    clip = source.clip
    assert clip is not None
    images = Images(clip, params.array)
    boxes, count = _placed(clip, params, method, (images.width, images.height))
    for lead in np.ndindex(images.lead[:1]):
        if len(images.lead) == 1:
            out.append("patches", _one(images, lead, boxes(lead[0]), method, params)[None])
            continue
        frames = range(images.lead[1])
        cuts = [_one(images, (*lead, i), boxes(i), method, params) for i in frames]
        out.append("patches", np.stack(cuts)[None])
    out.extend("boxes", (boxes(i).astype(np.float32) for i in range(count)), ROWS)
    names, units = method.names(params), method.units(params)
    out.write("names", np.array(names))
    out.write("units", np.array(["+".join(map(str, shown)) for shown in units or [()] * len(names)]))
    for name in ("alphas", "pairs", "numbers"):
        if name in clip:
            out.write(name, clip.read(name))
    out.attributes({**clip.attributes, "of": params.array})


class Images:
    """The images of an array, read one at a time as (H, W, C): `images[factor, frame]` or `images[frame]`."""

    def __init__(self, clip: Clip, array: Cuttable) -> None:
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


def _placed(
    clip: Clip, params: CutParams, method: RoisMethod[Any], size: tuple[int, int]
) -> tuple[Callable[[int], np.ndarray], int]:
    """Return `boxes(index)`, the boxes (R, 4) of a frame or pair, and how many sets there are: one, or one for each.

    Raises:
        ClipError: on `boxes`, landmarks that are not finite; at once, an unknown onset or one that begins no pair.
    """
    landmarks = clip.lazy("landmarks")

    def located(index: int) -> np.ndarray:
        points = landmarks[index]
        if not np.isfinite(points).all():
            raise ClipError(clip.sample_id, "landmarks are not finite", "68 points per frame", "check its alignment")
        return method.locate(points, *size, params)

    if params.boxes == "frame":
        return located, len(landmarks)
    if params.boxes == "first":
        first = located(0)
        return lambda index: first, 1
    onset = clip.attributes.get("onset")
    firsts = clip.read("pairs")[:, 0] if "pairs" in clip else np.arange(len(landmarks))
    places = np.flatnonzero(firsts == (-1 if onset is None else onset))
    if len(places) == 0:
        found = "onset unknown" if onset is None else f"no frame or pair starts at the onset ({onset})"
        raise ClipError(clip.sample_id, found, "an onset to place the boxes of the clip", "use boxes: first or frame")
    still = located(int(places[0]))
    return lambda index: still, 1


def _one(
    images: Images, index: tuple[int, ...], boxes: np.ndarray, method: RoisMethod[Any], params: CutParams
) -> np.ndarray:
    cuts = method.patches(images[index], boxes, images.is_flow, params)
    if params.array == "frames":
        return cuts
    return cuts[..., 0] if params.array == "strain" else cuts.transpose(0, 3, 1, 2)


STAGE = Stage(
    process,
    {
        "patches": Array("..., R, [C,] h, w[, 3]", "uint8 or float32 or float16", "what was cut, as its source has it"),
        "boxes": Array(
            "N, R, 4", "float32", "left, top, right, bottom in pixels of the source; the last two exclusive"
        ),
        "names": Array("R", "object", "of the regions"),
        "units": Array("R", "object", "action units that each region shows, as `4+7`; empty for none"),
    },
)
