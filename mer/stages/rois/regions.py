"""Facial regions as sets of the 68 landmarks, and which action units they show.

Tables:
- `facs`: one region per group of muscles, each box around the features that the action units move.
- `dual_branch`: the four regions and the whole face of the dual-branch network (specs/dual-branch.md §3.3), in the
  order in which a clip's action units are matched against them.

A configuration may have a table of its own, `NamedRegion` by `NamedRegion` in that order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from mer.core.params import Params

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


class NamedRegion(Params):
    """A region of a table that a configuration gives."""

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="Of the region.")
    landmarks: tuple[Annotated[int, Field(ge=0, le=67)], ...] = Field(
        min_length=1, description="The landmarks (0 to 67) whose bounding box it is."
    )
    units: tuple[Annotated[int, Field(ge=1, le=99)], ...] = Field(
        default=(), description="Numbers of the action units that it shows."
    )


def given_table(value: Any) -> Any:
    """Return a table of a configuration with its regions checked; anything but a list is left to the type.

    Raises:
        ValueError: a region is not one, or has the name of another.
    """
    if not isinstance(value, (list, tuple)):
        return value
    regions = [_region(number, region) for number, region in enumerate(value, start=1)]
    names = [region.name for region in regions]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or not names:
        raise ValueError(f"two regions named {twice}" if names else "at least one region")
    return tuple(regions)


def _region(number: int, given: Any) -> NamedRegion:
    try:
        return NamedRegion.model_validate(given)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise ValueError(f"region {number} of the table: {key}: {fault['msg'].lower()}".replace(": :", ":")) from None


def regions_of(table: Table | Sequence[NamedRegion]) -> Mapping[str, Region]:
    """Return the regions of a table by name, in the order in which action units are matched against them."""
    if isinstance(table, str):
        return TABLES[table]
    return {region.name: Region(region.landmarks, region.units) for region in table}


def first_match(aus: Iterable[int], shown: Sequence[Collection[int]]) -> int:
    """Return the index of the first region that shows one of the action units, the last region where none does.

    Args:
        aus: numbers of a clip's action units.
        shown: numbers of the action units of each region, in the order of the table.
    """
    wanted = set(aus)
    return next((index for index, units in enumerate(shown) if wanted & set(units)), len(shown) - 1)


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
