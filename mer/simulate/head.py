"""A person's neutral head as a texture in material coordinates, twice as fine as a frame, and what does not move."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.action_units import MIRROR
from mer.simulate.exact import ThinPlate, blur, function
from mer.simulate.geometry import refine
from mer.simulate.identity import (
    CENTRE,
    NECK_HALF,
    NECK_MIDDLE,
    Identity,
    draw_identity,
    neck_half_width,
    shape_landmarks,
)
from mer.simulate.lids import closed_texture
from mer.simulate.photograph import Photograph, neutral_photograph, to_pixels
from mer.simulate.skin import paint

OVERSAMPLING = 2
MARGIN = 48
PHOTO_SCALE = 2.35
CONTROL_STEP = 8
LASH = np.array([0.030, 0.020, 0.016], dtype=np.float32)
# Outline of the hair and neck in the photograph; moved for the hair's volume, else fixed.
OUTLINE = np.array(
    [(168, 117), (156, 104), (153, 78), (158, 56), (180, 39), (205, 23), (232, 15), (262, 23), (285, 38),
     (298, 66), (301, 88), (292, 116)], dtype=np.float64,
)  # fmt: skip
EARS = np.array([(173.5, 125), (177, 131), (279, 129), (271, 137)], dtype=np.float64)
NECK = np.array([(186.5, 178), (253, 178), (186.5, 215), (253, 215)], dtype=np.float64)
HAIRLINE = np.array([(188, 78), (205, 80.5), (228, 82), (250, 86), (265, 91)], dtype=np.float64)
FRAME = np.array(
    [(60, -40), (224, -60), (400, -40), (400, 110), (400, 280), (60, 280), (60, 110), (224, 290)], dtype=np.float64
)


@dataclass(frozen=True)
class Head:
    """A rendered neutral person.

    Args:
        texture: (h, w, 4) float32, linear-light RGB times opacity, and opacity; texel k lies at m = k / 2 - margin.
        closed: the same with closed lids.
        margin: material pixels that the texture extends beyond the frame on each side.
        landmarks: (68, 2) float64 neutral landmarks, material pixels.
        extent: material (left, top, right, bottom) beyond which the head is transparent.
        backdrop: (H, W, 3) float32 linear-light background, still.
        garment: (H, W, 4) float32 premultiplied clothes in front of the neck, still.
    """

    identity: Identity
    texture: np.ndarray
    closed: np.ndarray
    margin: float
    landmarks: np.ndarray
    extent: tuple[float, float, float, float]
    backdrop: np.ndarray
    garment: np.ndarray


@dataclass(frozen=True)
class Canvas:
    """The material plane for frames of `width` x `height` pixels and one person's size in it."""

    width: int
    height: int
    zoom: float

    @property
    def unit(self) -> float:
        """Size of the frame relative to 640x480."""
        return frame_scale(self.width, self.height)

    @property
    def margin(self) -> int:
        """Material pixels that the texture extends beyond the frame on each side."""
        return round(MARGIN * self.unit)

    @property
    def scale(self) -> float:
        """Material pixels per photo pixel."""
        return PHOTO_SCALE * self.zoom * self.unit

    @property
    def texels(self) -> tuple[int, int]:
        """Rows and columns of the texture."""
        return (self.height + 2 * self.margin) * OVERSAMPLING, (self.width + 2 * self.margin) * OVERSAMPLING

    def to_material(self, photo_points: np.ndarray) -> np.ndarray:
        """Return photo-like coordinates (..., 2) as material pixels."""
        return (photo_points - np.array(CENTRE)) * self.scale + self._middle

    def to_photo(self, material: np.ndarray) -> np.ndarray:
        """Return material pixels (..., 2) as photo-like coordinates."""
        return (material - self._middle) / self.scale + np.array(CENTRE)

    def to_texels(self, material: np.ndarray) -> np.ndarray:
        """Return material pixels (..., 2) as texture positions."""
        return (material + self.margin) * OVERSAMPLING

    @property
    def _middle(self) -> np.ndarray:
        return np.array([(self.width - 1) / 2, (self.height - 1) / 2])


@lru_cache(maxsize=2)
def build_head(run_seed: int, index: int, width: int, height: int) -> Head:
    """Return subject `index`'s head for frames of `width` x `height`; the last two are kept in memory."""
    identity = draw_identity(run_seed, index)
    photo = neutral_photograph()
    canvas = Canvas(width, height, identity.zoom)
    shape = shape_landmarks(identity, photo.rest)
    landmarks = canvas.to_material(shape)
    where = _photo_map(identity, photo, shape, canvas)
    texture = paint(identity, photo, where, canvas.to_texels(landmarks), canvas.scale * OVERSAMPLING)
    half = neck_half_width(identity)
    neck = canvas.to_material(np.array([[NECK_MIDDLE - half, 0.0], [NECK_MIDDLE + half, 0.0]]))[:, 0]
    if identity.mirrored:
        neck = width - 1 - neck[::-1]
        landmarks = mirror_landmarks(landmarks, width)
        # Texel k lies at k / 2 - margin: the flipped texture is one texel off that grid.
        texture = np.concatenate([texture[:, -2::-1], texture[:, :1]], axis=1)
    lash = LASH * np.array(identity.skin, dtype=np.float32)
    return Head(
        identity=identity,
        texture=texture,
        closed=closed_texture(texture, canvas.to_texels(landmarks), lash),
        margin=canvas.margin,
        landmarks=landmarks,
        extent=_extent(texture, canvas.margin),
        backdrop=backdrop(identity, width, height),
        garment=garment(identity, float(neck[0]), float(neck[1]), float(landmarks[8, 1]), width, height),
    )


def frame_scale(width: int, height: int) -> float:
    """Return the size of a frame relative to 640x480."""
    return min(width / 640, height / 480)


def mirror_landmarks(landmarks: np.ndarray, width: int) -> np.ndarray:
    """Return landmarks (68, 2) of the face reflected in the frame's vertical midline, renumbered."""
    flipped = landmarks[MIRROR].copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    return flipped


def _extent(texture: np.ndarray, margin: float) -> tuple[float, float, float, float]:
    seen = texture[..., 3] > 1e-3
    columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
    left, right = columns[[0, -1]] / OVERSAMPLING - margin
    top, bottom = rows[[0, -1]] / OVERSAMPLING - margin
    return float(left), float(top), float(right), float(bottom)


def _photo_map(identity: Identity, photo: Photograph, shape: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Return, for every texel, the pixel of the photograph's arrays to show there: (h, w, 2) float32."""
    target = np.concatenate([shape[_KEYS], *_surroundings(identity, shape, photo.rest), FRAME])
    source = np.concatenate([photo.landmarks[_KEYS], OUTLINE, HAIRLINE, EARS, NECK, FRAME])
    warp = ThinPlate(target, source - target, smoothing=0.6)
    rows, columns = canvas.texels[0] // CONTROL_STEP + 4, canvas.texels[1] // CONTROL_STEP + 4
    kx, ky = np.meshgrid((np.arange(columns) - 1.0) * CONTROL_STEP, (np.arange(rows) - 1.0) * CONTROL_STEP)
    points = canvas.to_photo(np.stack([kx, ky], axis=-1) / OVERSAMPLING - canvas.margin)
    coarse = to_pixels(points + warp(points.reshape(-1, 2)).reshape(points.shape))
    return refine(coarse, *canvas.texels[::-1], CONTROL_STEP)


def _surroundings(identity: Identity, shape: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return where the person's hair outline, hairline, ears and neck are, photo coordinates."""
    middle, edge = rest[27, 0], rest[[0, 16], 0]
    shift = shape[[0, 16], 0] - edge
    outline = OUTLINE.copy()
    for side, sign in ((0, -1.0), (1, 1.0)):
        beyond = np.clip(sign * (OUTLINE[:, 0] - edge[side]), 0, None)
        outline[:, 0] += sign * (identity.hair_sides - 1) * beyond + shift[side] * np.clip(
            sign * (OUTLINE[:, 0] - middle) / 50, 0, 1
        )
    crown = np.clip((95.0 - OUTLINE[:, 1]) / 60.0, 0, 1)
    outline[:, 0] = middle + (outline[:, 0] - middle) * (1 - 0.17 * (1 - min(1.0, identity.hair_sides)) * crown)
    outline[:, 1] = 95.0 + (outline[:, 1] - 95.0) * np.where(outline[:, 1] < 95.0, identity.hair_volume, 1.0)
    hairline = HAIRLINE + np.array([0.0, 1.0]) * identity.forehead * np.array([[0.6], [1.0], [1.0], [1.0], [0.6]])
    hairline[:, 0] = middle + (hairline[:, 0] - middle) * identity.face_width
    reach = 0.45 + 0.35 * min(1.0, identity.hair_sides)
    beside = [2, 2, 14, 14]
    ears = EARS.copy()
    ears[:, 0] = shape[beside, 0] + reach * (EARS[:, 0] - rest[beside, 0])
    neck = NECK.copy()
    neck[:, 0] = NECK_MIDDLE + (NECK[:, 0] - NECK_MIDDLE) * neck_half_width(identity) / NECK_HALF
    neck[:2, 1] += identity.chin
    return outline, hairline, ears, neck


_KEYS = np.array([k for k in range(68) if k not in (1, 15, 60, 64)])


def backdrop(identity: Identity, width: int, height: int) -> np.ndarray:
    """Return the wall (H, W, 3) float32 in linear light: a tint, a light falloff and faint unevenness."""
    rng = np.random.default_rng(derive_seed(identity.seed, "backdrop"))
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    falloff = 1 + 0.16 * identity.light_side * x - 0.10 * y - 0.14 * (x * x + y * y)
    blotches = _enlarged(rng.standard_normal((6, 8)), width, height)
    wall = np.array(identity.backdrop) * (falloff * (1 + 0.02 * blotches))[..., None]
    return np.clip(wall, 0, 1).astype(np.float32)


def garment(
    identity: Identity, left: float, right: float, chin: float, width: int, height: int, unit: float | None = None
) -> np.ndarray:
    """Return the clothes (H, W, 4) float32: linear-light RGB times opacity, opacity.

    Args:
        left: x of the neck's left edge in frame pixels.
        right: x of its right edge.
        chin: y of the chin.
        unit: size of the person relative to one who fills a frame of 640x480; that of the frame when None.
    """
    unit = frame_scale(width, height) if unit is None else unit
    rng = np.random.default_rng(derive_seed(identity.seed, "garment"))
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    across = np.abs(x - (left + right) / 2) / ((right - left) / 2)
    top = chin + (12 - 10 * (1 - identity.collar)) * unit
    dip = (
        (8 + 26 * identity.collar)
        * unit
        * function(np.power, np.clip(1 - (across / 0.97) ** 2, 0, 1), 0.6 if identity.collar < 0.6 else 1.0)
    )
    slope = top + 22 * unit * function(np.power, np.clip(across - 1.02, 0, None), 1.2)
    edge = np.where(across < 1.0, top + dip, slope)
    opacity = np.clip((y - edge) / (1.6 * unit) + 0.5, 0, 1)
    band = np.clip(1 - np.abs(y - edge - 9 * unit) / (1.2 * unit), 0, 1) * (across < 1.5)
    knit = blur(rng.standard_normal((height, width)), 0.9 * unit)
    folds = _enlarged(rng.standard_normal((5, 9)), width, height)
    shade = 0.72 + 0.28 * np.clip((y - edge) / (12 * unit), 0, 1) - 0.22 * band + 0.10 * knit + 0.10 * folds
    colour = np.clip(np.array(identity.clothes) * shade[..., None], 0, 1)
    soft = blur(opacity, 0.7)[..., None]
    return np.concatenate([colour * soft, soft], axis=2).astype(np.float32)


def _enlarged(values: np.ndarray, width: int, height: int) -> np.ndarray:
    return cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_LANCZOS4)
