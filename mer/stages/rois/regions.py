"""Facial regions as sets of the 68 landmarks, and which action units they show.

Tables:
- `facs`: one region per group of muscles, each box around the features that the action units move.
- `dual_branch`: the four regions and the whole face of the dual-branch network (specs/dual-branch.md §3.3), in the
  order in which a clip's action units are matched against them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Table = Literal["facs", "dual_branch"]


@dataclass(frozen=True)
class Region:
    """A region: the landmarks whose bounding box it is, and the numbers of its action units."""

    landmarks: tuple[int, ...]
    aus: tuple[int, ...]


TABLES: Mapping[str, Mapping[str, Region]] = {
    "facs": {
        # The upper lids close the brow box below: brows alone are a strip a few pixels high.
        "brows": Region((*range(17, 27), 37, 38, 43, 44), (1, 2, 4)),
        "eyes": Region((*range(36, 48), 19, 24), (5, 7)),
        "cheeks": Region((1, 2, 3, 13, 14, 15, 29, 33, 40, 41, 46, 47), (6,)),
        "nose": Region((21, 22, *range(27, 36)), (9,)),
        "mouth": Region((33, *range(48, 68)), (10, 12, 14, 15)),
        "chin": Region((*range(6, 11), 56, 57, 58), (17,)),
    },
    "dual_branch": {
        "eyes": Region((19, 24, 15, 1), (4, 5, 7, 43)),
        "mouth": Region((3, 5, 11, 13), (10, 12, 14, 15, 17)),
        # The published box ends at the brow tails, a few pixels below the brow tops; the upper lids close it here.
        "eyebrows": Region((17, 19, 24, 26, 37, 38, 43, 44), (1, 2)),
        "cheeks": Region((1, 29, 15, 3, 13), (6, 9)),
        "face": Region(tuple(range(68)), ()),
    },
}


def first_match(aus: Iterable[int], table: Table = "dual_branch") -> str:
    """Return the first region of a table that shows one of the action units.

    Args:
        aus: numbers of a clip's action units.
        table: the table to look in.

    Returns:
        The region's name; `face` when none matches and the table has it, else an empty string.
    """
    wanted = set(aus)
    for name, region in TABLES[table].items():
        if wanted & set(region.aus):
            return name
    return "face" if "face" in TABLES[table] else ""


def region_box(
    landmarks: np.ndarray, indices: Iterable[int], width: int, height: int, margin: float = 0.15, least: float = 0.12
) -> np.ndarray:
    """Return the box around some landmarks, never degenerate and never outside the image.

    Args:
        landmarks: (68, 2) float, (x, y) pixels, finite; may lie outside the image.
        indices: the landmarks to enclose.
        width: image width, pixels.
        height: image height, pixels.
        margin: added on every side, as a share of the box's own width or height.
        least: least width and height, as a share of the width of the face; 4 pixels at the least.

    Returns:
        (4,) float32 left, top, right, bottom; whole pixels, right and bottom exclusive.
    """
    points = landmarks[list(indices)].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    shortest = max(least * float(np.ptp(landmarks[:, 0])), 4.0)
    spread = np.maximum((high - low) * (1 + 2 * margin), shortest)
    middle = (low + high) / 2
    # Half a pixel: a landmark is a pixel's centre, a box runs along borders.
    start, stop = middle + 0.5 - spread / 2, middle + 0.5 + spread / 2
    left, right = _inside(start[0], stop[0], width, shortest)
    top, bottom = _inside(start[1], stop[1], height, shortest)
    return np.array([left, top, right, bottom], np.float32)


def _inside(low: float, high: float, count: int, shortest: float) -> tuple[int, int]:
    """Return whole borders in [0, count], at least `shortest` apart where the image allows it."""
    start, stop = (int(np.clip(v, 0, count)) for v in (np.floor(low), np.ceil(high)))
    shortest = min(int(np.ceil(shortest)), count)
    if stop - start < shortest:
        start = int(np.clip(start, 0, count - shortest))
        stop = start + shortest
    return start, stop
