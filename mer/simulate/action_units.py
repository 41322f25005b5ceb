"""Displacement fields of facial action units, in material coordinates.

Material coordinates are the pixels of a person's neutral, unmoved face. A unit's field is a sum of bumps: each has a
centre tied to landmarks, two radii, and a displacement at its centre. The bump is Wendland's
(1 - r)^4 (4 r + 1), twice continuously differentiable and exactly 0 outside its ellipse. All lengths are in units of
the inter-ocular distance (between the eye centres), y down. Directions and extents follow the FACS descriptions:
frontalis lifts the brows (1, 2), corrugator draws them down and together (4), the upper lid rises (5), orbicularis
oculi lifts the cheek (6) and tightens the lids (7), the nose wrinkles (9), the upper lip rises (10), the lip corner
goes up and out (12), inwards (14), down (15), the chin boss pushes the lower lip up (17).

Rigid points: `RIGID_LANDMARKS` (nose bridge, inner eye corners, top ends of the jaw line) and the two temples and the
forehead centre (`rigid_points`). Every field is multiplied by a window that is 0 there and 1 beyond
`RIGID_RADIUS`, so that no unit moves them at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer.core.geometry import MIRRORED
from mer.simulate.expression import UnitPlan

RIGID_LANDMARKS = (27, 28, 39, 42, 0, 16)
RIGID_NAMES = ("nose bridge top", "nose bridge", "inner corner R", "inner corner L", "jaw top R", "jaw top L")
EXTRA_RIGID_NAMES = ("temple R", "temple L", "forehead centre")
RIGID_RADIUS = 0.17
LEFT_EYE, RIGHT_EYE = tuple(range(42, 48)), tuple(range(36, 42))


@dataclass(frozen=True)
class Bump:
    """One bump on the subject's right side (left in the image): centre, radii and displacement at the centre.

    The centre is the mean of `landmarks` plus `shift`; a bilateral unit also has its mirror image.
    """

    landmarks: tuple[int, ...]
    shift: tuple[float, float]
    radii: tuple[float, float]
    move: tuple[float, float]


ACTION_UNITS: dict[int, tuple[Bump, ...]] = {
    1: (
        Bump((21,), (-0.06, -0.02), (0.34, 0.36), (0.000, -0.021)),
        Bump((20,), (0.0, -0.03), (0.30, 0.34), (0.000, -0.007)),
    ),
    2: (
        Bump((18,), (0.0, 0.0), (0.34, 0.34), (-0.002, -0.020)),
        Bump((19,), (0.0, -0.02), (0.26, 0.30), (0.000, -0.008)),
    ),
    4: (
        Bump((21,), (-0.06, -0.02), (0.38, 0.34), (0.009, 0.013)),
        Bump((19, 20), (0.0, -0.01), (0.34, 0.30), (0.004, 0.009)),
    ),
    5: (Bump((37, 38), (-0.01, -0.01), (0.28, 0.20), (0.000, -0.014)),),
    6: (
        Bump((36, 41, 48), (-0.02, 0.12), (0.42, 0.34), (-0.003, -0.016)),
        Bump((36,), (-0.14, 0.06), (0.20, 0.22), (0.006, -0.006)),
        Bump((40, 41), (-0.04, 0.06), (0.24, 0.16), (0.000, -0.008)),
    ),
    7: (
        Bump((40, 41), (-0.03, 0.03), (0.30, 0.21), (0.001, -0.013)),
        Bump((37, 38), (-0.03, -0.03), (0.26, 0.18), (0.000, 0.006)),
    ),
    9: (
        Bump((31,), (-0.04, -0.08), (0.30, 0.30), (0.002, -0.017)),
        Bump((29,), (-0.12, 0.02), (0.20, 0.24), (0.000, -0.010)),
        Bump((50,), (-0.02, -0.03), (0.24, 0.20), (0.000, -0.009)),
    ),
    10: (
        Bump((49, 50), (-0.01, -0.02), (0.32, 0.28), (-0.001, -0.017)),
        Bump((31, 48), (-0.02, 0.0), (0.30, 0.30), (-0.001, -0.011)),
    ),
    12: (
        Bump((48,), (-0.03, 0.0), (0.44, 0.40), (-0.012, -0.016)),
        Bump((48, 36), (-0.03, 0.06), (0.42, 0.40), (-0.002, -0.009)),
    ),
    14: (
        Bump((48,), (0.01, 0.0), (0.34, 0.28), (-0.016, 0.001)),
        Bump((48,), (-0.24, 0.0), (0.28, 0.30), (0.008, 0.000)),
    ),
    15: (
        Bump((48,), (-0.01, 0.02), (0.30, 0.30), (-0.003, 0.020)),
        Bump((59,), (-0.06, 0.06), (0.24, 0.24), (0.000, 0.006)),
    ),
    17: (
        Bump((8, 57), (-0.10, 0.02), (0.40, 0.30), (0.000, -0.012)),
        Bump((58,), (0.04, 0.02), (0.26, 0.20), (0.000, -0.008)),
    ),
}
AU_NUMBERS = tuple(sorted(ACTION_UNITS))

MIRROR = np.array(MIRRORED)


def inter_ocular(landmarks: np.ndarray) -> float:
    """Return the distance between the eye centres of `landmarks` (68, 2), in their pixels."""
    between = landmarks[list(LEFT_EYE)].mean(0) - landmarks[list(RIGHT_EYE)].mean(0)
    return float(np.sqrt((between**2).sum()))


def rigid_points(landmarks: np.ndarray) -> np.ndarray:
    """Return the points (9, 2) that no unit moves: `RIGID_LANDMARKS`, both temples, the forehead centre."""
    iod = inter_ocular(landmarks)
    temples = landmarks[[17, 26]] + np.array([[-0.16, -0.22], [0.16, -0.22]]) * iod
    forehead = landmarks[[27]] + np.array([[0.0, -0.62]]) * iod
    return np.concatenate([landmarks[list(RIGID_LANDMARKS)], temples, forehead])


class UnitFields:
    """The displacement fields of one face.

    Args:
        landmarks: (68, 2) neutral landmarks in material pixels.
        table: the bumps of each unit.
    """

    def __init__(self, landmarks: np.ndarray, table: Mapping[int, tuple[Bump, ...]] = ACTION_UNITS) -> None:
        self.table = table
        self.landmarks = np.asarray(landmarks, dtype=np.float64)
        self.iod = inter_ocular(self.landmarks)
        self.rigid = rigid_points(self.landmarks)

    def displacement(self, units: Sequence[UnitPlan], levels: Sequence[float], points: np.ndarray) -> np.ndarray:
        """Return the facial displacement (N, 2) float64 in pixels at material `points` (N, 2).

        `levels` are the units' intensities at one time.
        """
        points = np.asarray(points, dtype=np.float64)
        x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
        total = np.zeros_like(points)
        for unit, level in zip(units, levels, strict=True):
            if level != 0:
                for side in unit.side or "LR":
                    self._add(unit.number, side, float(level), x, y, total)
        for rigid in self.rigid:
            near, weight = _bump(x, y, rigid, np.full(2, RIGID_RADIUS * self.iod))
            total[near] *= (1.0 - weight)[:, None]
        return total

    def _add(self, number: int, side: str, level: float, x: np.ndarray, y: np.ndarray, total: np.ndarray) -> None:
        landmarks = self.landmarks if side == "R" else self.landmarks[MIRROR]
        flip = np.array([1.0 if side == "R" else -1.0, 1.0])
        for bump in self.table[number]:
            centre = landmarks[list(bump.landmarks)].mean(0) + flip * bump.shift * self.iod
            near, weight = _bump(x, y, centre, np.asarray(bump.radii) * self.iod)
            total[near] += weight[:, None] * (level * self.iod * flip * bump.move)


def _bump(x: np.ndarray, y: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the points within a bump's box, and the bump there."""
    near = np.flatnonzero((np.abs(x - centre[0]) < radii[0]) & (np.abs(y - centre[1]) < radii[1]))
    u, v = (x[near] - centre[0]) / radii[0], (y[near] - centre[1]) / radii[1]
    return near, wendland(np.sqrt(u * u + v * v))


def wendland(r: np.ndarray) -> np.ndarray:
    """Return (1 - r)^4 (4 r + 1), 0 for r >= 1."""
    # Squared twice: a fourth power is a library's, whose last bit depends on the processor.
    return (np.clip(1.0 - r, 0.0, None) ** 2) ** 2 * (4.0 * r + 1.0)
