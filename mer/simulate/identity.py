"""Who is in front of the camera: the parameters of one person and the landmarks of their neutral face.

Skin, hair, clothes, background and build go around shuffled palettes by subject index, so that neighbours differ
whatever the seed; the proportions of the face are drawn. Photo coordinates as in `mer.simulate.photograph`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.exact import PLACE_BITS, on_grid

CENTRE = (224.0, 103.0)
NECK_HALF, NECK_MIDDLE = 33.25, 219.75
EYE_R, EYE_L = slice(36, 42), slice(42, 48)
# Reflectance relative to the photograph's skin, in linear light (red, green, blue).
SKIN = (
    (1.00, 1.00, 1.00), (0.86, 0.78, 0.70), (0.52, 0.40, 0.32), (1.06, 0.98, 0.92), (0.74, 0.62, 0.50),
    (0.30, 0.215, 0.17), (0.95, 0.90, 0.86), (0.64, 0.51, 0.40), (0.90, 0.83, 0.70), (0.42, 0.31, 0.24),
    (0.98, 0.86, 0.80), (0.80, 0.72, 0.60),
)  # fmt: skip
# Mean hair colour in linear light, and how much of the photograph's light and dark strands is kept.
HAIR = (
    (0.018, 0.015, 0.014, 0.9), (0.070, 0.042, 0.024, 1.0), (0.26, 0.19, 0.10, 1.0), (0.030, 0.022, 0.018, 1.0),
    (0.16, 0.075, 0.032, 1.0), (0.27, 0.26, 0.25, 0.85), (0.045, 0.030, 0.020, 1.0), (0.36, 0.28, 0.16, 0.9),
    (0.012, 0.011, 0.012, 0.9), (0.11, 0.070, 0.040, 1.0), (0.40, 0.39, 0.38, 0.7), (0.022, 0.018, 0.016, 1.0),
)  # fmt: skip
CLOTHES = (
    (0.03, 0.05, 0.10), (0.30, 0.30, 0.31), (0.25, 0.03, 0.04), (0.02, 0.02, 0.022), (0.05, 0.12, 0.08),
    (0.55, 0.53, 0.48), (0.10, 0.14, 0.30), (0.35, 0.24, 0.10), (0.08, 0.08, 0.09), (0.42, 0.20, 0.24),
    (0.12, 0.10, 0.07), (0.16, 0.30, 0.38),
)  # fmt: skip
BACKDROPS = (
    (0.45, 0.46, 0.48), (0.60, 0.58, 0.54), (0.28, 0.32, 0.38), (0.68, 0.69, 0.70), (0.36, 0.34, 0.30),
    (0.50, 0.55, 0.56), (0.20, 0.22, 0.25), (0.56, 0.52, 0.50), (0.40, 0.46, 0.42), (0.62, 0.64, 0.68),
    (0.30, 0.28, 0.28), (0.48, 0.48, 0.46),
)  # fmt: skip
LIPS = ((1.0, 1.0, 1.0), (1.05, 0.85, 0.88), (0.95, 0.62, 0.66), (1.0, 0.92, 0.88), (0.88, 0.80, 0.82))
PALETTE = len(SKIN)


@dataclass(frozen=True)
class Identity:
    """One person.

    Factors are relative to the photograph, lengths in photo pixels, angles in radians, colours linear RGB. `male` (0 or
    1) widens the jaw, thickens the brows and grows stubble; `age` (0-1) deepens skin relief; hair of a `hair_length`
    above 0 falls to the shoulders.
    """

    seed: int
    skin: tuple[float, float, float]
    hair: tuple[float, float, float, float]
    clothes: tuple[float, float, float]
    backdrop: tuple[float, float, float]
    male: float
    age: float
    face_width: float
    jaw_width: float
    chin: float
    forehead: float
    eye_size: float
    eye_distance: float
    eye_tilt: float
    brow_height: float
    brow_tilt: float
    nose_width: float
    nose_length: float
    mouth_width: float
    mouth_height: float
    lip: float
    lips: tuple[float, float, float]
    hair_volume: float
    hair_sides: float
    hair_length: float
    zoom: float
    light_angle: float
    light_side: float
    warmth: float
    iris: float
    brow: float
    stubble: float
    freckles: float
    collar: float
    mirrored: bool

    def parameters(self) -> dict[str, object]:
        """Return every field, for the record in the ground truth."""
        return asdict(self)


def draw_identity(run_seed: int, index: int) -> Identity:
    """Draw subject `index` (from 0) of a run; the same whatever the number of subjects."""
    seed = derive_seed(run_seed, "identity", index)
    rng = np.random.default_rng(seed)
    shuffle = np.random.default_rng(derive_seed(run_seed, "palettes", index // PALETTE))
    skin, hair, clothes, backdrop, build = (int(shuffle.permutation(PALETTE)[index % PALETTE]) for _ in range(5))
    male = float(build % 2)
    dark = sum(SKIN[skin]) < 1.6
    hair = hair if not dark else (0, 3, 8, 11, 6, 1)[hair % 6]
    palettes: dict[str, Any] = {
        "skin": SKIN[skin],
        "hair": HAIR[hair],
        "clothes": CLOTHES[clothes],
        "backdrop": BACKDROPS[backdrop],
    }
    return Identity(seed=seed, male=male, **palettes, **_draw_shape(rng, male), **_draw_looks(rng, male))


def _draw_shape(rng: np.random.Generator, male: float) -> dict[str, Any]:
    u = rng.uniform
    return {
        "face_width": float(u(0.92, 1.09)),
        "jaw_width": float(u(0.90, 1.02) + 0.11 * male),
        "chin": float(u(-3.5, 5.0) + 1.5 * male),
        "forehead": float(u(-15.0, 2.0)),
        "eye_size": float(u(0.86, 1.13) - 0.05 * male),
        "eye_distance": float(u(-2.6, 2.6)),
        "eye_tilt": float(u(-0.10, 0.07)),
        "brow_height": float(u(-2.6, 2.4) + 1.0 * male),
        "brow_tilt": float(u(-0.10, 0.12)),
        "nose_width": float(u(0.86, 1.20) + 0.08 * male),
        "nose_length": float(u(-2.8, 4.2)),
        "mouth_width": float(u(0.92, 1.18)),
        "mouth_height": float(u(-2.0, 2.0)),
        "lip": float(u(0.80, 1.40) - 0.10 * male),
        "hair_volume": float(u(0.84, 1.02) - 0.03 * male),
        "hair_sides": float(u(0.40, 1.05) if not male else u(0.18, 0.42)),
        "hair_length": float(0.0 if male else max(0.0, u(-0.8, 1.0))),
        "zoom": float(u(0.97, 1.10)),
        "mirrored": bool(u() < 0.5),
    }


def _draw_looks(rng: np.random.Generator, male: float) -> dict[str, Any]:
    u = rng.uniform
    return {
        "age": float(u(0.0, 1.0)),
        "lips": LIPS[int(rng.integers(len(LIPS)))],
        "light_angle": float(u(-1.0, 1.0)),
        "light_side": float(u(-0.55, 0.55)),
        "warmth": float(u(-0.07, 0.07)),
        "iris": float(u(0.0, 1.0)),
        "brow": float(u(0.25, 0.8) + 0.35 * male),
        "stubble": float(male * u(0.15, 1.0)),
        "freckles": float(max(0.0, u(-1.0, 1.0))),
        "collar": float(u(0.0, 1.0)),
    }


def shape_landmarks(identity: Identity, rest: np.ndarray) -> np.ndarray:
    """Return the person's neutral landmarks (68, 2) in photo coordinates.

    Args:
        rest: (68, 2) landmarks of the photograph's face at rest, not mirrored.
    """
    points = rest.astype(np.float64).copy()
    _set_face(identity, points)
    _set_eyes(identity, points)
    _set_nose_and_mouth(identity, points)
    return on_grid(points, PLACE_BITS)


def _set_face(identity: Identity, points: np.ndarray) -> None:
    middle = points[27, 0]
    depth = np.clip((points[:17, 1] - 105.0) / 73.0, 0, 1)
    factor = identity.face_width * (1 + (identity.jaw_width - 1) * np.sin(np.pi * np.clip(depth, 0, 0.9) / 1.2))
    points[:17, 0] = middle + (points[:17, 0] - middle) * factor
    points[:17, 1] += identity.chin * depth**2
    inner = 1 + 0.55 * (identity.face_width - 1)
    points[17:, 0] = middle + (points[17:, 0] - middle) * inner


def _set_eyes(identity: Identity, points: np.ndarray) -> None:
    for eye, brow, sign in ((EYE_R, slice(17, 22), -1.0), (EYE_L, slice(22, 27), 1.0)):
        centre = points[eye].mean(0)
        cos, sin = np.cos(identity.eye_tilt * sign), np.sin(identity.eye_tilt * sign)
        turn = np.array([[cos, -sin], [sin, cos]]) * identity.eye_size
        shift = np.array([sign * identity.eye_distance / 2, 0.0])
        points[eye] = (points[eye] - centre) @ turn.T + centre + shift
        middle = points[brow].mean(0)
        slope = (points[brow, 0] - middle[0]) * sign * identity.brow_tilt
        points[brow] += shift
        points[brow, 1] += slope + identity.brow_height


def _set_nose_and_mouth(identity: Identity, points: np.ndarray) -> None:
    length = np.clip((points[27:36, 1] - points[27, 1]) / (points[33, 1] - points[27, 1]), 0, 1)
    points[27:36, 1] += identity.nose_length * length
    points[31:36, 0] = points[33, 0] + (points[31:36, 0] - points[33, 0]) * identity.nose_width
    mouth = slice(48, 68)
    middle, line = points[[51, 57], 0].mean(), points[[62, 66], 1].mean()
    points[mouth, 0] = middle + (points[mouth, 0] - middle) * identity.mouth_width
    lips = np.arange(49, 60)
    lips = lips[lips != 54]
    points[lips, 1] = line + (points[lips, 1] - line) * identity.lip
    points[mouth, 1] += 0.45 * identity.nose_length + 0.3 * identity.chin + identity.mouth_height


def neck_half_width(identity: Identity) -> float:
    """Return half the width of the neck in photo pixels."""
    return NECK_HALF * (0.5 + 0.5 * identity.face_width * identity.jaw_width) * (0.94 + 0.08 * identity.male)
