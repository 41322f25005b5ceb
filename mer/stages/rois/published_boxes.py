"""The regions of the published systems, edge by edge, as data (specs/mean-softnet.md §3.1, specs/dual-branch.md §3.3).

| set | regions | size | read in |
|---|---|---|---|
| `softnet`, MEAN's too | brows with eyes; mouth | 42 x 21, bilinear | mean-softnet.md §3.1, 4 |
| `softnet_nose` | the pixels whose mean flow is the head's | 11 x 11 | mean-softnet.md §3.1, 2 |
| `softnet_eye_mask` | the boxes of the two blanked hexagons | 48 x 40, bilinear | mean-softnet.md §3.1, 3 |
| `dual_branch` | eyes, mouth, eyebrows, cheeks, face; no margin | 128 x 128, areas | dual-branch.md §3.3 |
| `dual_branch_smic` | the box that is computed for SMIC and not used | 128 x 128, areas | dual-branch.md §3.3 |
| `au_fusion` | 10 windows at the brows, 20 at the mouth | 7 x 7 | au-fusion.md §4.1, §4.2 |

AMAN cuts no regions: it sees the whole face (aman-magnet-rife.md A.3). The size of the eye masks' patches is ours, for
the system blanks them and cuts nothing. `au_fusion` is what the method `patches30` cuts by default.

Offsets are pixels of a face crop of 128 pixels: an image of another size is resized to it first. Sets without offsets
are cut from the image as it is. Landmarks are rounded, as dlib gives whole pixels. A box is cut at the borders; one
that its landmarks leave empty, which the released code skipped or replaced by the whole frame, is widened to `least`
pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from mer.stages.rois.cutting import mapped, resize_to
from mer.stages.rois.method import CutParams, RoisMethod
from mer.stages.rois.regions import TABLES

Name = Literal["softnet", "softnet_nose", "softnet_eye_mask", "dual_branch", "dual_branch_smic", "au_fusion"]
MAP = 128  # pixels of the face crop whose pixels the published offsets are


@dataclass(frozen=True)
class Edge:
    """The least (left, top) or greatest (right, bottom) coordinate of landmarks, and pixels added to it."""

    landmarks: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class Box:
    """The four edges of a region; right and bottom are exclusive."""

    left: Edge
    top: Edge
    right: Edge
    bottom: Edge

    @property
    def is_window(self) -> bool:
        """Whether it is a window of fixed size around one landmark."""
        return (
            len({edge.landmarks for edge in (self.left, self.top, self.right, self.bottom)})
            == 1
            == len(self.left.landmarks)
        )


@dataclass(frozen=True)
class RegionSet:
    """Regions of one size: `width` and `height` of the patches in pixels, and whether areas are averaged."""

    width: int
    height: int
    regions: Mapping[str, Box]
    average: bool = False


def _around(landmarks: tuple[int, ...], offset: int = 0) -> Box:
    """The bounding box of landmarks, grown by `offset`."""
    low, high = Edge(landmarks, -offset), Edge(landmarks, offset)
    return Box(low, low, high, high)


def _window(landmark: int, half: int) -> Box:
    """The window of `2 * half + 1` pixels centred on a landmark."""
    low, high = Edge((landmark,), -half), Edge((landmark,), half + 1)
    return Box(low, low, high, high)


SETS: Mapping[str, RegionSet] = {
    "softnet": RegionSet(
        42,
        21,
        {
            "brows_eyes": Box(Edge((17,), -12), Edge((19, 24), -12), Edge((26,), 12), Edge((41, 46), 12)),
            "mouth": Box(Edge((60,), -12), Edge((50,), -12), Edge((64,), 12), Edge((57,), 12)),
        },
    ),
    "softnet_nose": RegionSet(11, 11, {"nose": _window(28, 5)}),
    "softnet_eye_mask": RegionSet(
        48,
        40,
        {
            "left_eye": Box(Edge((36,), -15), Edge((37, 38), -15), Edge((39,), 15), Edge((40, 41), 15)),
            "right_eye": Box(Edge((42,), -15), Edge((43, 44), -15), Edge((45,), 15), Edge((46, 47), 15)),
        },
    ),
    "dual_branch": RegionSet(
        128,
        128,
        {
            "eyes": _around((19, 24, 15, 1)),
            "mouth": _around((3, 5, 11, 13)),
            "eyebrows": _around((17, 19, 24, 26)),
            "cheeks": _around((1, 29, 15, 3, 13)),
            "face": _around(tuple(range(68))),
        },
        average=True,
    ),
    "dual_branch_smic": RegionSet(128, 128, {"face": _around((0, 19, 16, 8, 24))}, average=True),
    "au_fusion": RegionSet(7, 7, {f"landmark{p}": _window(p, 3) for p in (*range(17, 27), *range(48, 68))}),
}


class Params(CutParams):
    """Keys of `method: published_boxes`."""

    set: Name = Field(default="softnet", description="Whose regions; the table in `mer.stages.rois.published_boxes`.")
    map: int | None = Field(
        default=None,
        ge=16,
        le=2048,
        description="Side to which the image is resized first; offsets are its pixels. null: 128 for sets with "
        "offsets, the image's own for the others.",
    )
    least: int = Field(default=2, ge=1, le=16, description="Least width and height of a box, pixels of the map.")


def names(params: Params) -> list[str]:
    """Return the names of the regions, in the order of the patches."""
    return list(SETS[params.set].regions)


def units(params: Params) -> list[tuple[int, ...]]:
    """Return the action units that each region shows, in the order of the patches: of the dual-branch regions."""
    table = TABLES["dual_branch"] if params.set == "dual_branch" else {}
    return [table[name].aus if name in table else () for name in names(params)]


def map_size(width: int, height: int, params: Params) -> tuple[int, int]:
    """Return the (width, height) of the map of an image."""
    if params.map is None and not any(box.left.offset for box in SETS[params.set].regions.values()):
        return width, height
    return (params.map or MAP,) * 2


def on_map(landmarks: np.ndarray, width: int, height: int, params: Params) -> np.ndarray:
    """Return the boxes (R, 4) int on the map, from landmarks (68, 2) finite in pixels of an image."""
    limit = np.array(map_size(width, height, params))
    scale = limit / np.array([width, height])
    points = np.floor((landmarks.astype(np.float64) + 0.5) * scale)  # the pixel that holds the point
    return np.stack([_box(points, box, limit, params.least) for box in SETS[params.set].regions.values()])


def _box(points: np.ndarray, box: Box, limit: np.ndarray, least: int) -> np.ndarray:
    low = np.array([points[list(e.landmarks), axis].min() + e.offset for axis, e in enumerate((box.left, box.top))])
    high = np.array(
        [points[list(e.landmarks), axis].max() + e.offset for axis, e in enumerate((box.right, box.bottom))]
    )
    start, stop = np.clip(low, 0, limit), np.clip(high, 0, limit)
    if box.is_window:  # keeps its size and is shifted inside; any other box is cut at the border
        side = np.minimum(high - low, limit)
        start = np.clip(low, 0, limit - side)
        stop = start + side
    least_side = np.minimum(least, limit)
    middle = np.clip(np.floor((start + stop - least_side) / 2), 0, limit - least_side)
    short = stop - start < least_side
    return np.concatenate([np.where(short, middle, start), np.where(short, middle + least_side, stop)]).astype(int)


def locate(landmarks: np.ndarray, width: int, height: int, params: Params) -> np.ndarray:
    """Return the boxes (R, 4) float32 in pixels of the image; right and bottom exclusive."""
    boxes = on_map(landmarks, width, height, params)
    across, down = map_size(width, height, params)
    return (boxes * np.tile([width / across, height / down], 2)).astype(np.float32)


def patches(image: np.ndarray, boxes: np.ndarray, is_flow: bool, params: Params) -> np.ndarray:
    """Return the patches (R, h, w, C) of an image (H, W, C); flow is scaled to pixels of the map."""
    height, width = image.shape[:2]
    across, down = map_size(width, height, params)
    chosen = SETS[params.set]
    plane = mapped(image, (across, down), is_flow)
    whole = np.rint(boxes * np.tile([across / width, down / height], 2)).astype(int)
    size = (chosen.width, chosen.height)
    return np.stack([resize_to(plane[t:b, x:r], size, chosen.average) for x, t, r, b in whole])


METHOD = RoisMethod(Params, names, locate, patches, units)
