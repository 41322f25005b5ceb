"""Painting a person's head on the warped photograph: skin tone, hair, brows, beard, light and fine relief."""

from __future__ import annotations

import cv2
import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.action_units import inter_ocular
from mer.simulate.exact import blur, function, weighted
from mer.simulate.identity import Identity
from mer.simulate.photograph import Photograph
from mer.simulate.relief import curve_mask, noise, skin_relief, strand_direction, strands
from mer.simulate.sampling import LANCZOS, sample

PHOTO_HAIR = 0.15
# The lens: it also keeps detail coarse enough for the texture to be sampled.
LENS_BLUR = 1.3
# Upper edge of a beard from the left of the jaw to the right: landmark and shift in inter-ocular distances.
BEARD_EDGE = (
    (13, -0.06, 0.0), (12, -0.24, -0.02), (54, 0.10, -0.08), (35, 0.02, 0.07), (33, 0.0, 0.06), (31, -0.02, 0.07),
    (48, -0.10, -0.08), (4, 0.24, -0.02), (3, 0.06, 0.0),
)  # fmt: skip


def paint(identity: Identity, photo: Photograph, where: np.ndarray, landmarks: np.ndarray, scale: float) -> np.ndarray:
    """Return the head's texture (h, w, 4): linear-light RGB times opacity, opacity; float32.

    Args:
        where: (h, w, 2) float32 pixel of the photograph's arrays for every texel.
        landmarks: (68, 2) the person's landmarks in texels.
        scale: texels per photo pixel.
    """
    rng = np.random.default_rng(derive_seed(identity.seed, "texture"))
    colour = np.clip(sample(photo.colour, where, LANCZOS), 0, 1)
    masks = np.clip(sample(photo.masks, where, LANCZOS), 0, 1)
    head, skin = masks[..., :1], masks[..., 1:2]
    face = _skin(identity, rng, colour, masks, landmarks, scale)
    hair = _hair(identity, rng, colour, scale)
    out = skin * face + (1 - skin) * hair
    out *= _shading(identity, landmarks, head.shape[:2])[..., None]
    head = _ragged(head, skin, rng, scale)
    out, head = _long_hair(identity, rng, out * head, head, landmarks, scale)
    texture = np.concatenate([np.clip(out, 0, 1), head], axis=2).astype(np.float32)
    return blur(texture, LENS_BLUR)


def _ragged(head: np.ndarray, skin: np.ndarray, rng: np.random.Generator, scale: float) -> np.ndarray:
    """Break up the outline of the hair into tufts, as the matte of so small a photograph cannot."""
    shape = head.shape[:2]
    soft = blur(head, 0.55 * scale)
    tufts = noise(rng, shape, 0.45 * scale) + 0.7 * noise(rng, shape, 1.3 * scale)
    edge = np.clip((soft - 0.5) * 1.6 + 0.5 + 0.13 * tufts * 4 * soft * (1 - soft), 0, 1)[..., None]
    hair = blur(1 - skin, 1.5 * scale)[..., None]
    return (hair * edge + (1 - hair) * head).astype(np.float32)


def _skin(
    identity: Identity,
    rng: np.random.Generator,
    colour: np.ndarray,
    masks: np.ndarray,
    landmarks: np.ndarray,
    scale: float,
) -> np.ndarray:
    shape = colour.shape[:2]
    eyes = _eye_mask(landmarks, shape, scale)
    tone = np.array(identity.skin) * (1 + identity.warmth * np.array([1.0, 0.0, -1.0]))
    painted = colour * tone.astype(np.float32)
    lips = masks[..., 3:] * (1 - 0.6 * identity.male)
    painted *= 1 + lips * (np.array(identity.lips, dtype=np.float32) - 1)
    painted *= skin_relief(rng, shape, scale, identity.age)[..., None]
    painted *= _marks(identity, rng, landmarks, shape, scale)[..., None]
    painted = _beard(identity, rng, painted, masks[..., 3], landmarks, scale)
    painted = _brows(identity, rng, painted, landmarks, scale)
    white = colour * (0.82 + 0.18 * min(1.0, sum(identity.skin) / 3))
    iris = masks[..., 2:3] * max(0.0, identity.iris - 0.45) * 1.6
    tint = np.array([0.040, 0.075, 0.105] if identity.iris > 0.72 else [0.055, 0.060, 0.028], dtype=np.float32)
    white = white + iris * tint * (1 - white)
    return eyes * white + (1 - eyes) * painted


def _eye_mask(landmarks: np.ndarray, shape: tuple[int, ...], scale: float) -> np.ndarray:
    mask = np.zeros(shape, dtype=np.float32)
    for eye in (landmarks[36:42], landmarks[42:48]):
        cv2.fillPoly(mask, [eye.round().astype(np.int32)], 1.0)
    return blur(mask, 0.45 * scale)[..., None]


def _hair(identity: Identity, rng: np.random.Generator, colour: np.ndarray, scale: float) -> np.ndarray:
    grey = weighted(colour, (0.2126, 0.7152, 0.0722))
    detail = strands(rng, grey.shape, scale, strand_direction(grey, 1.6 * scale))
    ratio = function(np.power, np.maximum(grey, 0.003) / PHOTO_HAIR, identity.hair[3])
    ratio *= function(np.exp, 0.22 * detail)
    shine = 0.012 * np.maximum(ratio - 1, 0)
    return ratio[..., None] * np.array(identity.hair[:3], dtype=np.float32) + shine[..., None]


def _shading(identity: Identity, landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the light (h, w) on an ellipsoid head relative to light from the camera."""
    centre = np.array([landmarks[27, 0], landmarks[28, 1]])
    radii = 1.28 * np.array([np.ptp(landmarks[:17, 0]) / 2, landmarks[8, 1] - centre[1]])
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    u, v = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    square = u * u + v * v
    shrink = np.minimum(1.0, 0.96 / np.sqrt(np.maximum(square, 1e-6)))
    u, v = u * shrink, v * shrink
    depth = np.sqrt(np.maximum(1 - u * u - v * v, 0))
    light = np.array([identity.light_side, -0.25 - 0.2 * identity.light_angle, 1.0])
    light /= np.sqrt((light**2).sum())
    lit = 0.45 + 0.75 * np.clip(u * light[0] + v * light[1] + depth * light[2], 0, None)
    plain = 0.45 + 0.75 * np.clip(depth, 0, None)
    return np.clip(lit / plain, 0.55, 1.5).astype(np.float32)


def _marks(
    identity: Identity, rng: np.random.Generator, landmarks: np.ndarray, shape: tuple[int, int], scale: float
) -> np.ndarray:
    """Return the relative brightness (h, w) left by wrinkles, shadows under the eyes, freckles and moles."""
    iod = inter_ocular(landmarks)
    marks = np.ones(shape, dtype=np.float32)
    for first, sign in ((36, -1.0), (45, 1.0)):
        inner = landmarks[39] if first == 36 else landmarks[42]
        below = (landmarks[[41, 40]] if first == 36 else landmarks[[46, 47]]).mean(0)
        bag = np.array(
            [inner + [sign * 0.02 * iod, 0.10 * iod], below + [0, 0.17 * iod], landmarks[first] + [0, 0.13 * iod]]
        )
        marks *= 1 - 0.16 * identity.age * curve_mask(shape, bag, 0.045 * iod)
        wing = landmarks[31 if first == 36 else 35]
        corner = landmarks[48 if first == 36 else 54]
        fold = np.array(
            [
                wing + [sign * 0.07 * iod, -0.06 * iod],
                (wing + corner) / 2 + [sign * 0.16 * iod, 0],
                corner + [sign * 0.14 * iod, 0.06 * iod],
            ]
        )
        marks *= 1 - 0.17 * identity.age**1.5 * curve_mask(shape, fold, 0.035 * iod)
    for _ in range(int(rng.integers(0, 4))):
        spot = landmarks[28] + np.array([rng.uniform(-0.8, 0.8), rng.uniform(0.2, 1.3)]) * iod
        marks *= 1 - rng.uniform(0.3, 0.6) * curve_mask(
            shape, spot + np.array([[-0.2, 0], [0.2, 0]]) * scale, 0.55 * scale
        )
    specks = np.clip(noise(rng, shape, 0.55 * scale) - 1.5, 0, 1.2)
    x, y = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    away = ((x - landmarks[29, 0]) / (0.9 * iod)) ** 2 + ((y - landmarks[30, 1]) / (0.5 * iod)) ** 2
    cheeks = function(np.exp, -away)
    return marks * (1 - 0.22 * identity.freckles * specks * cheeks)


def _beard(
    identity: Identity,
    rng: np.random.Generator,
    painted: np.ndarray,
    lips: np.ndarray,
    landmarks: np.ndarray,
    scale: float,
) -> np.ndarray:
    hairs = noise(rng, lips.shape, max(1.2, 0.20 * scale), max(1.5, 0.38 * scale))
    if identity.stubble <= 0:
        return painted
    iod = inter_ocular(landmarks)
    upper = landmarks[[k for k, _, _ in BEARD_EDGE]] + np.array([[x, y] for _, x, y in BEARD_EDGE]) * iod
    area = np.zeros(lips.shape, dtype=np.float32)
    outline = np.concatenate([landmarks[3:14] + [0, 0.06 * iod], upper])
    cv2.fillPoly(area, [outline.round().astype(np.int32)], 1.0)
    soft = blur(area, 0.055 * iod) * np.clip(1 - 1.4 * lips, 0, 1)
    density = identity.stubble * soft * np.clip(0.50 + 0.22 * hairs, 0, 1)
    target = 0.75 * np.array(identity.hair[:3], dtype=np.float32) + 0.012
    return painted * (1 - density[..., None] * 0.8) + density[..., None] * 0.8 * np.minimum(target, painted)


def _brows(
    identity: Identity, rng: np.random.Generator, painted: np.ndarray, landmarks: np.ndarray, scale: float
) -> np.ndarray:
    iod = inter_ocular(landmarks)
    shape = painted.shape[:2]
    tuft = noise(rng, shape, max(1.4, 0.32 * scale), max(1.4, 0.5 * scale))
    for points in (landmarks[17:22], landmarks[26:21:-1]):
        inner = points[4] + (points[4] - points[3]) * 0.12
        line = np.concatenate([points[:1] * 0.5 + points[1:2] * 0.5, points[1:4], [inner]]) + [0, 0.012 * iod]
        mask = curve_mask(shape, line, (0.030 + 0.028 * identity.brow) * iod)
        cover = np.clip(mask * (0.95 + 0.30 * tuft), 0, 1)[..., None] * min(1.0, 0.25 + 0.62 * identity.brow)
        colour = 0.6 * np.array(identity.hair[:3], dtype=np.float32) + 0.006
        painted = painted * (1 - cover) + cover * np.minimum(np.minimum(colour, 0.09), painted)
    return painted


def _long_hair(
    identity: Identity, rng: np.random.Generator, out: np.ndarray, head: np.ndarray, landmarks: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Put hair that falls to the shoulders behind the head; `out` and the result are times opacity."""
    shape = head.shape[:2]
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    wave = noise(rng, shape, 12 * scale, 30 * scale)
    ends = noise(rng, shape, 0.5 * scale, 8 * scale)
    direction = np.float32(np.pi / 2) + 0.22 * noise(rng, shape, 10 * scale, 20 * scale)
    if identity.hair_length <= 0:
        return out, head
    half = np.ptp(landmarks[:17, 0]) / 2
    top, middle = landmarks[27, 1], landmarks[27, 0]
    down = np.clip((y - top) / (landmarks[8, 1] - top), 0, 2)
    edge = (
        half * (1.04 + 0.20 * identity.hair_sides + 0.16 * identity.hair_length * down)
        + 2.0 * scale * wave
        + 0.5 * scale * ends
    )
    inside = np.clip((edge - np.abs(x - middle)) / (1.5 * scale) + 0.5, 0, 1)
    inside *= np.clip((y - top) / (10 * scale), 0, 1)
    detail = strands(rng, shape, scale, direction)
    depth = 0.30 + 0.55 * np.clip((np.abs(x - middle) - 0.72 * half) / (0.40 * half), 0, 1)
    light = depth * function(np.exp, 0.30 * detail + 0.25 * noise(rng, shape, 3.0 * scale, 40 * scale))
    back = light[..., None] * np.array(identity.hair[:3], dtype=np.float32)
    opacity = inside[..., None].astype(np.float32)
    return out + (1 - head) * opacity * back, head + (1 - head) * opacity
