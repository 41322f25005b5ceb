"""The photograph that every simulated face is made from, brought to a neutral expression.

The source is `skimage.data.astronaut()`, a NASA photograph in the public domain. `data/landmarks.json` holds its 68
landmarks (median of 15 runs of dlib's predictor on the photograph enlarged 4 times); `data/matte.npz` holds, at twice
the resolution of the crop, the opacity of head and neck (`head`) and of skin within it (`skin`), traced by hand and
refined with GrabCut and a guided filter. The photograph smiles with open lips; here the
lips are closed by leaving the teeth out of the map, and the folds of the smile are softened.

Photo coordinates are pixels of the original 512x512 image.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mer.simulate.exact import REACH, blur, function
from mer.simulate.sampling import LANCZOS, sample

LEFT, TOP, WIDTH, HEIGHT, SCALE = 85, 0, 280, 240, 4
NECK_LEFT, NECK_RIGHT, NECK_BELOW = 186.5, 253.0, 183.0
IRISES = ((204.0, 101.3), (246.8, 102.9))
MATTE_SCALE = 2
DATA = Path(__file__).parent / "data"

# The edges of the opening between the lips (x, y), and how far above and below it the lips follow its closing.
UPPER_EDGE = (
    (202, 139.2), (205, 139.4), (208, 140.2), (211.3, 140.9), (214.7, 141.8), (219, 142.5), (223, 143.0), (227, 143.1),
    (231, 142.8), (235, 141.8), (240, 140.5), (245, 140.2),
)  # fmt: skip
LOWER_EDGE = (
    (202, 139.2), (206.6, 143.9), (210.4, 147.1), (214, 149.0), (219, 149.8), (224, 149.9), (229, 149.5), (232, 148.5),
    (235.4, 146.6), (239, 144.9), (243, 141.8), (245, 140.2),
)  # fmt: skip
CLOSING_POINT, UPPER_REACH, LOWER_REACH = 0.45, 11.0, 17.0
# From the smile to rest: landmark -> shift (x, y) after the lips are closed.
REST_SHIFT = {
    48: (3.8, 6.2), 60: (3.6, 6.2), 54: (-3.8, 6.2), 64: (-3.6, 6.2), 49: (1.9, 2.9), 53: (-1.9, 2.9),
    59: (2.2, 1.3), 55: (-2.2, 1.3),
    61: (0.8, 1.1), 67: (0.8, 1.1), 63: (-0.8, 1.1), 65: (-0.8, 1.1), 50: (0.4, 0.6), 52: (-0.4, 0.6), 51: (0.0, 0.3),
    58: (0.5, -0.4), 56: (-0.5, -0.4), 57: (0.0, -0.6), 62: (0.0, 0.0), 66: (0.0, 0.0),
    31: (0.9, 0.5), 35: (-0.9, 0.5), 41: (0.0, 0.5), 40: (0.0, 0.5), 46: (0.0, 0.5), 47: (0.0, 0.5),
}  # fmt: skip
FOLDS = (((210, 127), (203, 132), (198.5, 139), (199.5, 147)), ((238, 127), (246, 132), (251, 138), (250.5, 147)))


@dataclass(frozen=True)
class Photograph:
    """The closed-mouth photograph, enlarged `SCALE` times.

    Args:
        colour: (h, w, 3) float32 RGB, linear light, 0-1; head colours continue beyond the head's edge.
        masks: (h, w, 4) float32, 0-1: opacity of head and neck; share of skin (1) against hair (0); irises; lips.
        landmarks: (68, 2) float64 of this image, photo coordinates.
        rest: (68, 2) float64 of the same face at rest, photo coordinates.
    """

    colour: np.ndarray
    masks: np.ndarray
    landmarks: np.ndarray
    rest: np.ndarray


def to_pixels(points: np.ndarray) -> np.ndarray:
    """Return photo coordinates (..., 2) as pixels of `Photograph` arrays."""
    return (points - np.array([LEFT, TOP])) * SCALE + (SCALE - 1) / 2


@lru_cache(maxsize=1)
def neutral_photograph() -> Photograph:
    """Return the neutral photograph; computed once per process."""
    colour, head, skin = _load()
    x, y = _photo_grid()
    where = to_pixels(np.stack([x, np.minimum(closed_mouth(x, y), NECK_BELOW)], axis=-1)).astype(np.float32)
    colour, head, skin = (sample(a, where, LANCZOS) for a in (colour, head, skin))
    head = np.maximum(head, _neck(x, y))
    landmarks = _push(np.array(json.loads((DATA / "landmarks.json").read_text()), dtype=np.float64))
    rest = landmarks.copy()
    for k, shift in REST_SHIFT.items():
        rest[k] += shift
    rest[60:68:4, 1] = rest[48:56:6, 1] + 0.3
    colour = _clear_forehead(_soften(_lip_shadow(np.clip(colour, 0, 1))), skin, x, y)
    masks = np.stack([head, skin, _irises(x, y), _lips(landmarks, x.shape)], axis=-1)
    return Photograph(colour.astype(np.float32), np.clip(masks, 0, 1).astype(np.float32), landmarks, rest)


def lip_opening(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the y of the opening's upper and lower edge at photo `x`; equal beyond the mouth corners."""
    from scipy.interpolate import PchipInterpolator

    inside = np.clip(x, UPPER_EDGE[0][0], UPPER_EDGE[-1][0])
    upper, lower = (PchipInterpolator(*np.array(edge, dtype=np.float64).T)(inside) for edge in (UPPER_EDGE, LOWER_EDGE))
    return upper, np.maximum(lower, upper)


def closed_mouth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the photo y to show at photo (x, y) so that the lips meet and nothing between them shows."""
    upper, lower = lip_opening(x)
    line = upper + CLOSING_POINT * (lower - upper)
    above = (line - upper) * _fade((line - y) / UPPER_REACH)
    below = (lower - line) * _fade((y - line) / LOWER_REACH)
    return np.where(y < line, y - above, y + below)


def _fade(r: np.ndarray) -> np.ndarray:
    r = np.clip(r, 0, 1)
    return 1 - r * r * (3 - 2 * r)


def _neck(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # The neck goes straight down behind the clothes; its colours are spread from the neck that shows.
    across = np.minimum(x - NECK_LEFT, NECK_RIGHT - x)
    return np.clip(across + 0.5, 0, 1) * np.clip((y - 172.0) / 3.0, 0, 1)


def _irises(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    ring = np.zeros_like(x)
    for cx, cy in IRISES:
        r = np.hypot(x - cx, y - cy)
        ring = np.maximum(ring, np.clip((3.3 - r) / 0.8, 0, 1) * np.clip((r - 1.1) / 0.6, 0, 1))
    return ring


def _lips(landmarks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, dtype=np.float32)
    cv2.fillPoly(mask, [to_pixels(landmarks[48:60]).round().astype(np.int32)], 1.0)
    return blur(mask, 1.1 * SCALE)


def _push(points: np.ndarray) -> np.ndarray:
    # The closing maps shown y to photo y; a landmark goes the other way, looked up on a fine column of candidates.
    moved = points.copy()
    candidates = np.linspace(-12, 12, 2401)
    for point in moved[48:]:
        shown = point[1] + candidates
        point[1] = shown[np.argmin(np.abs(closed_mouth(np.full_like(shown, point[0]), shown) - point[1]))]
    return moved


def _photo_grid() -> tuple[np.ndarray, np.ndarray]:
    x = LEFT + (np.arange(WIDTH * SCALE) - (SCALE - 1) / 2) / SCALE
    y = TOP + (np.arange(HEIGHT * SCALE) - (SCALE - 1) / 2) / SCALE
    return np.meshgrid(x, y)


def _load() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from skimage.data import astronaut

    crop = astronaut()[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH].astype(np.float32) / 255
    size = (WIDTH * SCALE, HEIGHT * SCALE)
    colour = cv2.resize(crop, size, interpolation=cv2.INTER_LANCZOS4)
    for sigma, gain in ((1.3 * SCALE, 0.25), (0.6 * SCALE, 0.35)):
        colour += gain * (colour - blur(colour, sigma))
    with np.load(DATA / "matte.npz") as stored:
        matte = np.stack([stored["head"], stored["skin"]], axis=-1).astype(np.float32) / 255
    rows = HEIGHT * MATTE_SCALE - matte.shape[0]
    matte = np.asarray(cv2.copyMakeBorder(matte, 0, rows, 0, 0, cv2.BORDER_CONSTANT, value=(0, 1, 0)))
    full = np.clip(cv2.resize(matte, size, interpolation=cv2.INTER_LANCZOS4), 0, 1)
    head, skin = full[..., 0], full[..., 1]
    return _spread(function(np.power, np.clip(colour, 0, 1), 2.2), head), head, skin


def _spread(colour: np.ndarray, head: np.ndarray) -> np.ndarray:
    # Background light mixed into the head's edge would show as a rim on another background.
    core = np.clip((head - 0.9) / 0.1, 0, 1)[..., None]
    near = colour * core
    for sigma in (2.0, 6.0, 20.0):
        weight = blur(core, sigma)[..., None]
        blurred = blur(colour * core, sigma) / np.maximum(weight, 1e-4)
        trust = np.clip(weight * 8, 0, 1)
        near = near + (1 - core) * trust * blurred
        core = core + (1 - core) * trust
        colour = near / np.maximum(core, 1e-4)
    return colour


def _lip_shadow(colour: np.ndarray) -> np.ndarray:
    x, y = _photo_grid()
    upper, lower = lip_opening(x)
    line = upper + CLOSING_POINT * (lower - upper)
    inside = np.clip(np.minimum(x - 201.0, 246.0 - x) / 4.0, 0, 1)
    deep, wide = (function(np.exp, -(r**2)) for r in ((y - line) / 0.75, (y - line - 0.6) / 2.2))
    depth = 0.62 * inside * deep + 0.22 * inside * wide
    return colour * (1 - depth[..., None] * np.array([0.85, 1.0, 1.0]))


def _soften(colour: np.ndarray) -> np.ndarray:
    mask = np.zeros(colour.shape[:2], dtype=np.float32)
    for fold in FOLDS:
        points = to_pixels(np.array(fold, dtype=np.float64)).round().astype(np.int32)
        cv2.polylines(mask, [points], False, 1.0, thickness=10 * SCALE)
    mask = np.clip(blur(mask, 2.6 * SCALE), 0, 1)[..., None] * 0.92
    near = _around(mask, 7.0 * SCALE)
    out = np.array(colour)
    out[near] += mask[near] * (blur(colour[near], 7.0 * SCALE) - colour[near])
    return out


def _clear_forehead(colour: np.ndarray, skin: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # Where the fringe is moved up, its tips would be drawn out into streaks over the forehead.
    across = np.clip(np.minimum(x - 187.0, 265.0 - x) / 5.0, 0, 1)
    mask = across * np.clip((86.5 - 0.055 * np.abs(x - 226.0) - y) / 2.5, 0, 1) * np.clip(skin, 0, 1)
    weight = np.clip((skin - 0.8) / 0.2, 0, 1) * np.clip((y - 82.5) / 2.0, 0, 1) + 1e-3
    weight = (weight * np.clip((94.0 - y) / 4.0, 0, 1) + 1e-3)[..., None]
    near = _around(mask, 4.5 * SCALE)
    filled = blur(colour[near] * weight[near], 4.5 * SCALE) / blur(weight[near], 4.5 * SCALE)[..., None]
    out = np.array(colour)
    out[near] += mask[near][..., None] * (filled - colour[near])
    return out


def _around(mask: np.ndarray, sigma: float) -> tuple[slice, slice]:
    """Return the rows and columns that a blur by `sigma` reads where `mask` (h, w[, 1]) is not 0."""
    seen = mask.reshape(mask.shape[:2]) > 0
    ends = (np.flatnonzero(seen.any(axis=axis))[[0, -1]] for axis in (1, 0))
    rows, columns = (slice(max(int(low - REACH * sigma) - 1, 0), int(high + REACH * sigma) + 2) for low, high in ends)
    return rows, columns
