"""What action units do to the regions of a face: the templates that movements are compared with.

The displacement fields of `mer.simulate.action_units` are drawn into pictures of the face itself and seen as
`mer.spotting.region_motion` sees a movement. One template for every combination that the emotions show, for every
single unit, and for the units that people move on one side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from mer.core.geometry import eye_distance
from mer.motion.facial_regions import face_places
from mer.motion.region_flow import Sight, region_displacements, sight
from mer.simulate.action_units import AU_NUMBERS, UnitFields
from mer.simulate.content import SHOWN
from mer.simulate.expression import ONE_SIDED, UnitPlan
from mer.simulate.geometry import pixel_grid
from mer.simulate.implant import without_noise
from mer.simulate.sampling import LANCZOS, sample

SEEN_AT = 0.03  # distances between the eyes: the amplitude at which a template is seen
REACH_POINTS = 70  # along a side of the face at which its displacement is read
#: Action unit and side ('' for both; L and R of the subject) of all that is drawn.
UNITS = tuple((unit, side) for unit in AU_NUMBERS for side in ("", *("LR" if unit in ONE_SIDED else "")))
#: The part of the face that an action unit moves most.
GROUPS = {
    "brows": (1, 2, 4),
    "eyes": (5, 6, 7),
    "nose": (9, 10),
    "mouth corners": (12, 14, 15),
    "chin": (17,),
}
GROUP_OF = {unit: name for name, units in GROUPS.items() for unit in units}


@dataclass(frozen=True)
class Template:
    """A movement: action units, the side of a one-sided one ('' for both), and what it does.

    Args:
        moved: (R, 2) float64 motion of the regions at the apex, for a largest displacement of 1.
    """

    units: tuple[int, ...]
    side: str
    moved: np.ndarray

    @property
    def groups(self) -> frozenset[str]:
        """The parts of the face that it moves."""
        return frozenset(GROUP_OF[unit] for unit in self.units)


def movements() -> list[tuple[tuple[int, ...], str]]:
    """Return the action units and side of every template, in order."""
    shown = {tuple(units) for combinations in SHOWN.values() for units in combinations}
    both = sorted(shown | {(unit,) for unit in AU_NUMBERS})
    return [(units, "") for units in both] + [((unit,), side) for unit in sorted(ONE_SIDED) for side in "LR"]


def responses(first: Sight, second: Sight, landmarks: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return what flow sees of every action unit of `UNITS` in this face, (U, R, 2) float32.

    The second picture is drawn again with each unit in it, and compared with the first as before: the difference
    is what the movement adds to the regions, in largest displacements of the unit. Skin without texture shows little
    of a movement, an eyebrow most; how much, depends on the face, the light and the camera.

    Args:
        first: a picture, whose sides are even.
        second: a later one.
        landmarks: (68, 2) pixels, of each.
    """
    before, after = (np.asarray(points, np.float64) for points in landmarks)
    height, width = second.levels.shape
    eyes, face = eye_distance(after), face_places(before, (height, width))
    plain, _, _ = region_displacements(first, second, face)
    picture = np.repeat(np.clip(np.rint(second.levels), 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    clean = without_noise(picture)[..., 0].copy()
    found = []
    pixels = pixel_grid(width, height)
    for field in _fields(after, width, height):
        # What moves towards a point comes from the other side; the noise stays where it is.
        source = pixels - field * np.float32(SEEN_AT * eyes)
        drawn = second.levels + sample(clean, source, LANCZOS) - clean
        moved, _, _ = region_displacements(first, sight(np.clip(np.rint(drawn), 0, 255)), face)
        found.append((moved - plain) / (face.eyes * SEEN_AT))
    return np.array(found, np.float32)


def reaches(landmarks: np.ndarray) -> dict[tuple[int, str], float]:
    """Return the largest displacement of every action unit at intensity 1, in distances between the eyes."""
    points = np.asarray(landmarks, np.float64)
    low, size = points.min(axis=0) - eye_distance(points), 3.5 * eye_distance(points)
    grid = pixel_grid(REACH_POINTS, REACH_POINTS).astype(np.float64)
    fields, places = UnitFields(points), grid.reshape(-1, 2) * (size / REACH_POINTS) + low
    return {unit: float(_length(_moved(fields, unit, places)).max() / eye_distance(points)) for unit in UNITS}


def templates(seen: np.ndarray) -> list[Template]:
    """Return the templates of a face from the `responses` (P, U, R, 2) of pairs of pictures, P at least 1."""
    usual = dict(zip(UNITS, np.median(seen.astype(np.float64), axis=0), strict=True))
    return [
        Template(units, side, np.mean([usual[unit, side] for unit in units], axis=0)) for units, side in movements()
    ]


def _fields(landmarks: np.ndarray, width: int, height: int) -> Iterator[np.ndarray]:
    """Yield the displacement (H, W, 2) float32 of every unit at all pixels, its largest 1."""
    fields = UnitFields(landmarks)
    # The fields are smooth: every other pixel tells the rest.
    points = pixel_grid(width // 2, height // 2).reshape(-1, 2).astype(np.float64) * 2 + 0.5
    for unit in UNITS:
        moved = _moved(fields, unit, points)
        small = (moved / _length(moved).max()).astype(np.float32).reshape(height // 2, width // 2, 2)
        yield cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _moved(fields: UnitFields, unit: tuple[int, str], points: np.ndarray) -> np.ndarray:
    return fields.displacement([UnitPlan(*unit, 1.0, 0.0, 0.0)], [1.0], points)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(vectors, axis=-1))
