"""Regions of interest: patches cut from any earlier product, placed by its landmarks.

Writes `patches`, `boxes` (pixels of the source's images; right and bottom exclusive) and `names`
(docs/architecture.md); the attribute `of` names the array that was cut.
"""

from __future__ import annotations

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
    placing = _Placing(clip, params, method, (images.width, images.height))
    for lead in np.ndindex(images.lead[:1]):
        if len(images.lead) == 1:
            out.append("patches", _one(images, lead, placing.box(lead[0]), method, params)[None])
            continue
        frames = range(images.lead[1])
        cuts = [_one(images, (*lead, i), placing.box(i), method, params) for i in frames]
        out.append("patches", np.stack(cuts)[None])
    for first in range(0, placing.count, ROWS):
        boxes = [placing.box(i) for i in range(first, min(first + ROWS, placing.count))]
        out.append("boxes", np.stack(boxes).astype(np.float32))
    out.write("names", np.array(method.names(params)))
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


class _Placing:
    """The boxes of each frame or pair, from landmarks that are read as they are needed; one set for `boxes: clip`.

    Raises:
        ClipError: on `box`, landmarks that are not finite; at once, an onset that is unknown or no pair's first frame.
    """

    def __init__(self, clip: Clip, params: CutParams, method: RoisMethod[Any], size: tuple[int, int]) -> None:
        self._where, self._params, self._method, self._size = clip.sample_id, params, method, size
        self._landmarks: Any = clip.lazy("landmarks")
        self._block, self._held = -1, np.zeros(0)
        self._known: dict[int, np.ndarray] = {}
        self.count = len(self._landmarks)
        if params.boxes == "clip":
            onset = clip.attributes.get("onset")
            firsts = clip.read("pairs")[:, 0] if "pairs" in clip else np.arange(self.count)
            places = np.flatnonzero(firsts == (-1 if onset is None else onset))
            if len(places) == 0:
                found = "onset unknown" if onset is None else f"no frame or pair starts at the onset ({onset})"
                raise ClipError(self._where, found, "an onset to place the boxes of the clip", "use boxes: frame")
            self._known[0] = self._located(int(places[0]))
            self.count = 1

    def box(self, index: int) -> np.ndarray:
        """Return the boxes (R, 4) of a frame or pair."""
        return self._known[0] if self._params.boxes == "clip" else self._located(index)

    def _located(self, index: int) -> np.ndarray:
        if index // ROWS != self._block:
            self._block = index // ROWS
            self._held = np.asarray(self._landmarks[self._block * ROWS : (self._block + 1) * ROWS])
        points = self._held[index % ROWS]
        if not np.isfinite(points).all():
            raise ClipError(self._where, "landmarks are not finite", "68 points per frame", "check its alignment")
        boxes: np.ndarray = self._method.locate(points, *self._size, self._params)
        return boxes


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
    },
)
