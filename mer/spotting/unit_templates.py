"""What action units do to the regions of a face: the templates that movements are compared with.

The displacement fields of `mer.simulate.action_units` on the face's own landmarks, seen as `mer.spotting.region_motion`
sees a movement: without what looks like the head, as means of regions. One template for every combination that the
emotions show, for every single unit, and for the units that people move on one side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer.core.geometry import eye_distance
from mer.motion.facial_regions import region_means, without_head
from mer.simulate.action_units import AU_NUMBERS, UnitFields
from mer.simulate.content import SHOWN
from mer.simulate.expression import ONE_SIDED, UnitPlan

SEEN_AT = 0.03  # distances between the eyes: the amplitude at which a template is seen
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


@dataclass(frozen=True)
class UnitMotion:
    """What one action unit does to the regions of a face.

    Args:
        moved: (R, 2) float64 motion of the regions for a largest displacement of 1.
        reach: the largest displacement at intensity 1, in distances between the eyes.
    """

    moved: np.ndarray
    reach: float


def unit_motions(rest: np.ndarray, size: int) -> dict[tuple[int, str], UnitMotion]:
    """Return what every action unit does, on both sides ('') and on one (L, R of the subject).

    Args:
        rest: (68, 2) landmarks of the face at rest, pixels of a crop.
        size: side of the crop.
    """
    rest = np.asarray(rest, np.float64)
    fields = UnitFields(rest)
    eyes = eye_distance(rest)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    points = np.column_stack([x.ravel(), y.ravel()])
    found = {}
    for unit in AU_NUMBERS:
        for side in ("", "L", "R"):
            flow = fields.displacement([UnitPlan(unit, side, 1.0, 0.0, 0.0)], [1.0], points).T.reshape(2, size, size)
            reach = float(np.hypot(flow[0], flow[1]).max()) / eyes
            left, _, _ = without_head(flow * (SEEN_AT / reach), rest)
            found[unit, side] = UnitMotion(region_means(left, rest) / (eyes * SEEN_AT), reach)
    return found


def templates(rest: np.ndarray, size: int) -> list[Template]:
    """Return the templates of a face; arguments as `unit_motions`."""
    single = unit_motions(rest, size)
    return [
        Template(units, side, np.mean([single[unit, side].moved for unit in units], axis=0))
        for units, side in movements()
    ]
