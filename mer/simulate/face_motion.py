"""How the skin of one face moves in its neutral picture: action units, lips and jaw, and the way back.

Forward: q = m + d(m) + a o(m), with the displacement d of the units, the opening a of the mouth and the movement o of
the lip that m belongs to. The inverse is found by fixed-point iteration at every pixel, for either lip; what neither
reaches is seen between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mer.simulate.action_units import ACTION_UNITS, UnitFields
from mer.simulate.expression import UnitPlan
from mer.simulate.mouth import LOWER_UNITS, ONE_PLACE, Mouth, Opening

LEAST_AREA = 0.3  # to which skin may be pressed together
BESIDE = 0.02  # intensity below which a unit is left out


@dataclass(frozen=True)
class Skin:
    """The state of a face in one frame.

    Args:
        levels: (unit, side) -> intensity, of all that is not at rest; side '' for both.
        jaw: opening of the mouth, material pixels.
    """

    levels: Mapping[tuple[int, str], float]
    jaw: float


class FaceMotion:
    """The movements of one face.

    Args:
        landmarks: (68, 2) neutral landmarks, material pixels.
    """

    def __init__(self, landmarks: np.ndarray, light: float = 1.0) -> None:
        self.landmarks = np.asarray(landmarks, np.float64)
        self.upper_face, self.lower_face = UnitFields(landmarks), UnitFields(landmarks, LOWER_UNITS)
        self.eyes = self.upper_face.iod
        self.mouth = Mouth(landmarks, light)
        self.opening = Opening(self.mouth)
        self.corner = np.floor(landmarks.min(0) - [self.eyes, 1.2 * self.eyes])
        self.size = np.ceil(landmarks.max(0) + self.eyes - self.corner).astype(int)
        self._dense: dict[tuple[int, str], tuple[tuple[slice, slice], np.ndarray]] = {}

    def scaled(self, units: Sequence[UnitPlan], amplitude: float) -> tuple[tuple[UnitPlan, ...], float]:
        """Return units in the same proportions with a largest displacement of `amplitude`, and that displacement.

        In distances between the eyes; less than asked for where the skin would fold.
        """
        whole, _ = self.displacement(Skin({(u.number, u.side): u.peak for u in units}, 0.0))
        reach = float(np.hypot(whole[..., 0], whole[..., 1]).max()) / self.eyes
        (xx, xy), (yx, yy) = (np.gradient(whole[..., k])[::-1] for k in range(2))
        while amplitude > 1e-4:
            f = amplitude / reach
            if ((1 + f * xx) * (1 + f * yy) - f * f * xy * yx).min() > LEAST_AREA:
                break
            amplitude *= 0.95
        return tuple(replace(unit, peak=unit.peak * amplitude / reach) for unit in units), amplitude

    def displacement(self, skin: Skin) -> tuple[np.ndarray, np.ndarray]:
        """Return the units' displacement (h, w, 2) float32 on the material pixels from a corner (2,) on."""
        parts = [(level, *self._field(key)) for key, level in skin.levels.items()]
        if not parts:
            return np.zeros((1, 1, 2), np.float32), self.corner
        rows, columns = ([window[k] for _, window, _ in parts] for k in range(2))
        top, left = min(r.start for r in rows), min(c.start for c in columns)
        total = np.zeros((max(r.stop for r in rows) - top, max(c.stop for c in columns) - left, 2), np.float32)
        for level, (r, c), field in parts:
            total[r.start - top : r.stop - top, c.start - left : c.stop - left] += np.float32(level) * field
        return total, self.corner + [left, top]

    def forward(self, skin: Skin, points: np.ndarray, lower: np.ndarray | None = None) -> np.ndarray:
        """Return where material points (N, 2) are in the unturned picture; `lower` (N,) says which lip's they are."""
        points = np.asarray(points, np.float64)
        moved = points + self._exact(skin, points)
        if skin.jaw > 0:
            below = self.mouth.is_lower(points) if lower is None else lower
            for part in (False, True):
                own = below == part
                moved[own] += skin.jaw * self.mouth.movement(points[own], part)
        return moved

    def box(self, skin: Skin) -> tuple[float, float, float, float] | None:
        """Return the material box (left, top, right, bottom) outside which nothing moves; None when nothing does."""
        boxes = [self.mouth.box] if skin.jaw > 0 else []
        for key in skin.levels:
            (rows, columns), _ = self._field(key)
            x, y = self.corner
            boxes.append((x + columns.start, y + rows.start, x + columns.stop, y + rows.stop))
        if not boxes:
            return None
        sides = np.array(boxes).T
        return float(sides[0].min()), float(sides[1].min()), float(sides[2].max()), float(sides[3].max())

    def inverse(self, skin: Skin, seen: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
        """Return the material points (h, w, 2) float32 seen at points (h, w, 2) of the unturned picture.

        Also, when the mouth is open, how far (h, w) each point is beyond the edge of the upper and of the lower lip,
        pixels: between the lips where both are above 0.
        """
        total, corner = self.displacement(skin)
        rounds = 4 if not skin.levels else int(np.clip(4 + 50 * np.abs(total).max() / self.eyes, 5, 12))
        if skin.jaw <= 0:
            return self._solve(seen, total, corner, rounds, None, 0.0), None
        upper = self._solve(seen, total, corner, rounds, False, skin.jaw)
        lower = self._solve(seen, total, corner, rounds, True, skin.jaw)
        beyond = upper[..., 1] - self.opening.line(upper[..., 0])
        short = self.opening.line(lower[..., 0]) - lower[..., 1]
        return np.where((short < 0)[..., None], lower, upper), (beyond, short)

    def _solve(
        self, seen: np.ndarray, total: np.ndarray, corner: np.ndarray, rounds: int, lower: bool | None, jaw: float
    ) -> np.ndarray:
        found = seen
        origin = corner.astype(np.float32)
        border = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT}
        for _ in range(rounds):
            moved = cv2.remap(total, found - origin, None, **border)  # type: ignore[call-overload]
            if lower is not None:
                moved = moved + np.float32(jaw) * self.opening.read(found, lower)
            found = seen - moved
        return np.asarray(found)

    def _field(self, key: tuple[int, str]) -> tuple[tuple[slice, slice], np.ndarray]:
        if key not in self._dense:
            x, y = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]))
            points = np.column_stack([x.ravel(), y.ravel()]) + self.corner
            whole = self._exact(Skin({key: 1.0}, 0.0), points).reshape(*x.shape, 2)
            moving = np.abs(whole).max(axis=-1) > 0
            rows, columns = np.flatnonzero(moving.any(axis=1)), np.flatnonzero(moving.any(axis=0))
            window = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
            self._dense[key] = (window, np.ascontiguousarray(whole[window], dtype=np.float32))
        return self._dense[key]

    def _exact(self, skin: Skin, points: np.ndarray) -> np.ndarray:
        total = np.zeros_like(points)
        for fields, table in ((self.upper_face, ACTION_UNITS), (self.lower_face, LOWER_UNITS)):
            chosen = [(number, side, level) for (number, side), level in skin.levels.items() if number in table]
            if chosen:
                units = [UnitPlan(n, side or ("R" if n in ONE_PLACE else ""), 1.0, 0.0, 0.0) for n, side, _ in chosen]
                total += fields.displacement(units, [level for *_, level in chosen], points)
        return total
