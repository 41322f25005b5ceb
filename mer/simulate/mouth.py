"""A mouth that opens: lips parted by the jaw, and what is seen between them.

The lips meet along a line through the mouth's corners. Below it, skin follows the jaw; above it, the upper lip is
lifted a little. Both movements are the same beyond the corners, so the skin is torn only where lips part. Between
them lie teeth and tongue, and darkness: the upper teeth stay with the skull, the lower ones follow the jaw.

Besides the units of `mer.simulate.action_units`, which databases are simulated with, the lower face has those of
speaking, chewing and swallowing (`LOWER_UNITS`; numbers of FACS: 18 pucker, 20 stretch, 24 press, 26 the jaw dropped
behind closed lips, 30 the jaw moved sideways; 80 swallow). AU 25 and 26 with parted lips are the opening.
"""

from __future__ import annotations

import cv2
import numpy as np

from mer.simulate.action_units import Bump, inter_ocular
from mer.simulate.timeline import smooth_step

LOWER_UNITS: dict[int, tuple[Bump, ...]] = {
    18: (
        Bump((48,), (0.0, 0.0), (0.40, 0.36), (0.055, 0.0)),
        Bump((50,), (0.02, 0.0), (0.26, 0.20), (0.012, 0.010)),
        Bump((58,), (0.02, 0.0), (0.26, 0.20), (0.012, -0.008)),
    ),
    20: (Bump((48,), (-0.02, 0.0), (0.44, 0.36), (-0.045, 0.006)),),
    24: (
        Bump((50, 51), (0.0, -0.02), (0.36, 0.20), (0.0, 0.014)),
        Bump((57, 58), (0.0, 0.03), (0.36, 0.22), (0.0, -0.016)),
    ),
    26: (
        Bump((8,), (-0.12, 0.02), (0.80, 0.72), (0.0, 0.050)),
        Bump((3, 48), (0.0, 0.0), (0.50, 0.50), (0.010, 0.012)),
    ),
    30: (Bump((8, 57), (0.0, 0.10), (0.95, 0.75), (0.060, 0.0)),),
    80: (
        Bump((8,), (0.0, 0.35), (0.50, 0.34), (0.0, -0.045)),
        Bump((8, 57), (-0.05, 0.02), (0.42, 0.30), (0.0, -0.014)),
    ),
}
ONE_PLACE = (30,)  # in the middle of the face: not mirrored
UPPER_SHARE = 0.16  # of the opening, by the upper lip
CORNER_SHARE = 0.30  # of the opening, by the corners of the mouth
TEETH = 0.085  # how far below the line the upper teeth reach, distances between the eyes
LOWER_TEETH = 0.035
WIDENING = 1.1
CAVITY = (46.0, 20.0, 19.0)  # grey levels under even light
TONGUE, TOOTH = (118.0, 54.0, 54.0), (205.0, 192.0, 172.0)


class Mouth:
    """The mouth of one face.

    Args:
        landmarks: (68, 2) neutral landmarks, material pixels.
        light: brightness of the person's light, 1 at that of the photograph.
    """

    def __init__(self, landmarks: np.ndarray, light: float = 1.0) -> None:
        self.eyes = inter_ocular(landmarks)
        middle = (landmarks[[61, 62, 63]] + landmarks[[67, 66, 65]]) / 2
        corners = landmarks[[48, 54]]
        self.knots = np.concatenate([corners[:1], middle, corners[1:]])
        self.centre = float(self.knots[2, 0])
        self.half = float(np.ptp(corners[:, 0])) / 2 * 0.94
        self.chin = float(landmarks[8, 1] - self.knots[2, 1])
        self.light = light
        reach = 1.35 * self.eyes
        self.box = (
            float(self.centre - reach),
            float(self.knots[:, 1].min() - 0.55 * self.eyes),
            float(self.centre + reach),
            float(landmarks[8, 1] + 0.75 * self.eyes),
        )
        self.lips = (
            float(corners[0, 0] - 0.1 * self.eyes),
            float(self.knots[:, 1].min() - 0.25 * self.eyes),
            float(corners[1, 0] + 0.1 * self.eyes),
            float(landmarks[8, 1] + 0.35 * self.eyes),
        )

    def line(self, x: np.ndarray) -> np.ndarray:
        """Return the y where the lips meet at material x; level beyond the corners."""
        from scipy.interpolate import PchipInterpolator

        at = np.clip(x, self.knots[0, 0], self.knots[-1, 0])
        return np.asarray(PchipInterpolator(self.knots[:, 0], self.knots[:, 1])(at))

    def movement(self, points: np.ndarray, lower: bool) -> np.ndarray:
        """Return how far (N, 2) an opening of one pixel moves material points (N, 2), as skin of one lip.

        Each lip's movement is defined on both sides of the line, so that it can be inverted beside it.
        """
        x, y = np.asarray(points, np.float64).T
        below = y - self.line(x)
        deep = np.clip(below / self.chin, 0, None)
        away = np.abs(x - self.centre)
        jaw = smooth_step(1.0 - (np.clip(away - 0.35 * self.half, 0, None) / (1.15 * self.eyes)))
        level = np.clip(1 - np.clip(-below, 0, None) / (0.5 * self.eyes), 0, 1)
        neck = 1 - smooth_step((deep - 1.0) / (0.75 * self.eyes / self.chin))
        common = CORNER_SHARE * jaw * smooth_step(level) * neck
        width = self.half * (1 + WIDENING * np.clip(deep, 0, 1))
        across = np.clip(1 - (away / width) ** 2, 0, None) ** 0.75
        if lower:
            own = (1 - UPPER_SHARE - CORNER_SHARE) * across * neck
        else:
            lift = smooth_step(1 - np.clip(-below, 0, None) / (0.32 * self.eyes))
            own = -(UPPER_SHARE + CORNER_SHARE) * across * lift
        narrow = 0.10 * np.clip((self.centre - x) / self.half, -1, 1) * common
        return np.column_stack([narrow, common + own])

    def is_lower(self, points: np.ndarray) -> np.ndarray:
        """Return whether material points (N, 2) lie below the line."""
        return np.asarray(points[:, 1] > self.line(points[:, 0]))

    def inside(self, skull: np.ndarray, drop: float, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """Return the colour (h, w, 3) float32, grey levels, of what is seen between the lips.

        Args:
            skull: (h, w, 2) the place in the neutral picture.
            drop: how far the jaw is dropped, pixels.
            upper, lower: (h, w) how far within the opening, from the edge of either lip.
        """
        x, y = skull[..., 0], skull[..., 1]
        line = self.line(x)
        off = (x - self.centre) / self.half
        out = np.broadcast_to(np.array(CAVITY, np.float32), (*x.shape, 3)).copy()
        jaw = line + (1 - UPPER_SHARE) * drop
        tongue = smooth_step((y - jaw + 0.13 * self.eyes) / (0.09 * self.eyes)) * np.clip(1 - off**2 * 1.5, 0, 1)
        _lay(out, tongue * 0.75, TONGUE)
        rows = ((TEETH, line, 1.0, 0.105, 0.0), (-LOWER_TEETH, jaw, -1.0, 0.075, 0.5))
        for reach, root, sign, wide, phase in rows:
            width = wide * self.eyes
            scallop = 0.012 * self.eyes * np.abs(np.sin(np.pi * ((x - self.centre) / width + phase)))
            edge = root + (reach * (1 - 0.45 * off**2)) * self.eyes - sign * scallop
            show = np.clip(sign * (edge - y) / max(1.0, 0.02 * self.eyes) + 0.5, 0, 1)
            gap = np.abs(np.sin(np.pi * ((x - self.centre) / width + phase))) ** 0.25
            arch = np.clip(1 - 0.75 * off**2, 0.12, 1)
            tooth = np.array(TOOTH, np.float32) * (0.80 + 0.20 * gap)[..., None] * arch[..., None]
            out += (show * 0.96)[..., None].astype(np.float32) * (tooth.astype(np.float32) - out)
        depth = np.minimum(smooth_step(upper / (0.07 * self.eyes)), smooth_step(lower / (0.05 * self.eyes)))
        return np.asarray(out * (0.42 + 0.58 * depth)[..., None].astype(np.float32) * np.float32(self.light))


def _lay(out: np.ndarray, cover: np.ndarray, colour: tuple[float, ...]) -> None:
    out += cover[..., None].astype(np.float32) * (np.array(colour, np.float32) - out)


class Opening:
    """The movement of an opening mouth on a grid of material pixels, for the inverse.

    Args:
        mouth: the mouth.
    """

    def __init__(self, mouth: Mouth) -> None:
        left, top, right, bottom = mouth.box
        self.corner = np.floor([left, top])
        x, y = np.meshgrid(np.arange(self.corner[0], right), np.arange(self.corner[1], bottom))
        points = np.column_stack([x.ravel(), y.ravel()])
        self.upper, self.lower = (
            mouth.movement(points, low).reshape(*x.shape, 2).astype(np.float32) for low in (False, True)
        )
        self.lines = mouth.line(x[0]).astype(np.float32)
        self.mouth = mouth

    def line(self, x: np.ndarray) -> np.ndarray:
        """Return the y where the lips meet at material x (h, w) float32."""
        return np.interp(x, self.corner[0] + np.arange(len(self.lines)), self.lines).astype(np.float32)

    def read(self, where: np.ndarray, lower: bool) -> np.ndarray:
        """Return one lip's movement (h, w, 2) float32 at material points (h, w, 2)."""
        at = (where - self.corner).astype(np.float32)
        border = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT}
        return np.asarray(cv2.remap(self.lower if lower else self.upper, at, None, **border))  # type: ignore[call-overload]
