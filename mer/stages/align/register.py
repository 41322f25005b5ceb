"""Sub-pixel rigid registration of a face patch with a key patch.

Inverse-compositional Gauss-Newton (Baker and Matthews, IJCV 56(3), 2004) over three pyramid levels. The
normal equations are summed over blocks first, so that robustness acts on blocks: a block that wants to move
by itself (a twitching brow, a hand, the hair) loses its vote, while the noise of single pixels does not
matter. Illumination is taken out by a high-pass filter and one gain per frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer.core.geometry import compose, invert
from mer.stages.align.patch import SIDE, sample

FACTORS = (4, 2, 1)  # reduction of the patch at each level
ALL = (3, 2, 5)  # Gauss-Newton steps per level
FINE = (0, 1, 5)  # for motion of a few pixels
SETTLED = 0.02  # pixels: a smaller step ends a level
BLOCK = 8  # pixels of a level
SMOOTHING = 1.0  # pixels: suppresses noise and the phase-dependent blur of bilinear sampling
BACKGROUND = 17  # pixels: the side of the local mean that is taken out
OWN_MOTION = 0.08  # patch pixels by which a rigid block may deviate (parallax, soft tissue)
NOISE_PIXELS = 8.0  # independent noise values in a block after smoothing
GROSS_MOTION = 0.4  # patch pixels beyond which (times 3) a block follows something else than the face
VOTES = 8  # reweightings per step: the sum of distances first, which follows the majority, then Tukey's biweight
CUTOFF = 9.0  # squared deviations beyond which a block has no vote
_MIDDLE = (SIDE - 1) / 2


@dataclass(frozen=True)
class _Level:
    """One pyramid level of a key with B blocks of 64 pixels.

    `window` (x, y, width, height in patch pixels) holds all blocks; `pixels` (B * 64,) index the filtered
    window. `image` and `weight` are (B, 64). `project` (B, 2, 64) turns an error image into the whitened motion
    of each block, `design` (B, 2, 4) an update into the same; `texture` (B,) is the mean squared gradient.
    """

    factor: int
    window: tuple[int, int, int, int]
    pixels: np.ndarray
    image: np.ndarray
    weight: np.ndarray
    project: np.ndarray
    design: np.ndarray
    texture: np.ndarray
    prior: np.ndarray


#: A key patch prepared for registration: one level per reduction.
Key = tuple[_Level, ...]


@dataclass(frozen=True)
class Match:
    """Result of a registration.

    Args:
        matrix: (2, 3) picture -> patch pixels.
        agreement: share 0-1 of the rigid blocks, by prior weight, that follow the common motion to about a pixel.
        correlation: normalised correlation (-1..1) of the two patches in the mask.
        step: length of the last update in patch pixels; small when converged.
    """

    matrix: np.ndarray
    agreement: float
    correlation: float
    step: float


def prepare(patch: np.ndarray, mask: np.ndarray) -> Key:
    """Make a key of a patch (SIDE, SIDE) float32 and its rigid mask (SIDE, SIDE) float32 0-1.

    Raises:
        ValueError: the mask is empty.
    """
    return tuple(_level(patch, mask, factor) for factor in FACTORS)


def register(key: Key, cut: np.ndarray, matrix: np.ndarray, rounds: tuple[int, ...] = ALL) -> Match:
    """Align a picture with a key.

    Args:
        key: the key patch.
        cut: (h, w) float32 picture or part of it.
        matrix: (2, 3) first guess, `cut` -> patch pixels.
        rounds: Gauss-Newton steps per level, coarse to fine.

    Returns:
        The `Match`, with the refined `matrix`, `cut` -> patch pixels.
    """
    back = invert(matrix)
    step, agreement, correlation = 0.0, 0.0, 0.0
    for level, count in zip(key, rounds, strict=True):
        for _ in range(count):
            update, agreement, correlation = _solve(level, cut, back)
            back = compose(back, _warp(update))
            step = float(np.abs(update).max())
            if step < SETTLED:
                break
    return Match(invert(back), agreement, correlation, step)


def compare(key: Key, cut: np.ndarray, matrix: np.ndarray) -> Match:
    """Return how well a picture fits the key under `matrix` (`cut` -> patch pixels) as it is, without moving it."""
    update, agreement, correlation = _solve(key[-1], cut, invert(matrix))
    return Match(matrix, agreement, correlation, float(np.abs(update).max()))


def _filtered(window: np.ndarray, factor: int) -> np.ndarray:
    import cv2

    if factor > 1:
        shape = (window.shape[1] // factor, window.shape[0] // factor)
        window = cv2.resize(window, shape, interpolation=cv2.INTER_AREA)
    # In float64 from here on: the last bits of float32 sums depend on the processor, and landmarks would feel it.
    smooth = cv2.GaussianBlur(window.astype(np.float64), (0, 0), SMOOTHING)
    return smooth - cv2.blur(smooth, (BACKGROUND, BACKGROUND))


def _window(blocks: np.ndarray, factor: int) -> tuple[int, int, int, int]:
    """Return the window in patch pixels that holds blocks (B, 2) of a level, with room for the filters."""
    unit = BLOCK * factor
    low = np.maximum((blocks.min(axis=0) - 1) * unit, 0)
    high = np.minimum((blocks.max(axis=0) + 2) * unit, SIDE)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _level(patch: np.ndarray, mask: np.ndarray, factor: int) -> _Level:
    import cv2

    side = SIDE // factor
    small = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(small, (side // BLOCK, side // BLOCK), interpolation=cv2.INTER_AREA)
    rows, columns = np.nonzero(cover > 0.05)
    if not len(rows):
        raise ValueError("the rigid mask is empty")
    blocks = np.stack([columns, rows], axis=1)
    window = _window(blocks, factor)
    x, y, width, height = window
    image = _filtered(patch[y : y + height, x : x + width], factor)
    inside = np.arange(BLOCK)
    at_x = blocks[:, :1] * BLOCK - x // factor + np.tile(inside, BLOCK)
    at_y = blocks[:, 1:] * BLOCK - y // factor + np.repeat(inside, BLOCK)
    pixels = at_y * image.shape[1] + at_x
    gradient = np.stack([cv2.Sobel(image, -1, 1, 0, scale=0.125), cv2.Sobel(image, -1, 0, 1, scale=0.125)]) / factor
    weight = small[y // factor :, x // factor :][at_y, at_x]
    centre = (blocks * BLOCK + BLOCK / 2) * factor - 0.5
    project, design, texture = _whiten(gradient.reshape(2, -1)[:, pixels], weight, centre)
    return _Level(
        factor, window, pixels.ravel(), image.ravel()[pixels], weight, project, design, texture, cover[rows, columns]
    )


def _whiten(gradient: np.ndarray, weight: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `project`, `design` and `texture` from gradients (2, B, 64), weights (B, 64) and centres (B, 2)."""
    share = weight / weight.sum(axis=1, keepdims=True)
    structure = np.einsum("ibp,jbp,bp->bij", gradient, gradient, share)
    texture = np.trace(structure, axis1=1, axis2=2) / 2
    # The ridge keeps blocks with one edge direction (or none) invertible; they then say nothing along the edge.
    root = np.linalg.cholesky(structure + np.eye(2) * (0.02 * texture[:, None, None] + 1e-3))
    inverse = np.linalg.inv(root)
    project = np.einsum("bij,jbp,bp->bip", inverse, gradient, share)
    u, v = ((centre - _MIDDLE) / _MIDDLE).T
    one, zero = np.ones_like(u), np.zeros_like(u)
    jacobian = np.stack([np.stack([u, -v, one, zero], axis=1), np.stack([v, u, zero, one], axis=1)], axis=1)
    return project, inverse @ structure @ jacobian, texture


def _warp(update: np.ndarray) -> np.ndarray:
    """Return the patch -> patch similarity of an update (a, b, x, y) in pixels at the border of the patch."""
    a, b, x, y = update
    a, b = a / _MIDDLE, b / _MIDDLE
    linear = np.array([[1 + a, -b], [b, 1 + a]])
    return np.column_stack([linear, np.array([x, y]) + _MIDDLE - linear @ [_MIDDLE, _MIDDLE]])


def _solve(level: _Level, cut: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return the update (4,), the agreement and the correlation of one Gauss-Newton step at patch -> cut `back`."""
    image = _filtered(sample(cut, back, level.window), level.factor).ravel()[level.pixels].reshape(level.image.shape)
    gain, correlation = _gain(level, image)
    error = level.image - gain * image
    motion = (level.project @ error[..., None])[..., 0]
    energy = (level.weight * error * error).sum(axis=1) / level.weight.sum(axis=1)
    noise = max(_quarter(energy), 0.1) * 2 / NOISE_PIXELS
    slack = noise + OWN_MOTION**2 * level.texture
    base = level.prior / slack
    design, flat = level.design.reshape(-1, 4), motion.ravel()
    trust = np.ones_like(base)
    for step in range(VOTES):
        weighted = design * np.repeat(base * trust, 2)[:, None]
        normal = weighted.T @ design
        update = np.linalg.solve(normal + np.eye(4) * (1e-6 * np.trace(normal) + 1e-9), weighted.T @ flat)
        rest = (flat - design @ update).reshape(-1, 2)
        distance = (rest * rest).sum(axis=1) / slack
        if step < VOTES - 3:
            trust = 1 / np.sqrt(distance + 0.1)
        else:
            scale = max(_median(distance) / 1.4, 1.0)
            trust = np.clip(1 - distance / (CUTOFF * scale), 0, None) ** 2
    gross = (rest * rest).sum(axis=1) / (noise + GROSS_MOTION**2 * level.texture)
    agreement = float((level.prior * (gross < CUTOFF)).sum() / level.prior.sum())
    return update, agreement, correlation


def _quarter(values: np.ndarray) -> float:
    """Return what `np.quantile(values, 0.25)` does for (N,) float64, to the bit; its checks cost more than the rest."""
    place, part = divmod(len(values) - 1, 4)
    if not part:
        return float(np.partition(values, place)[place])
    low, high = np.partition(values, [place, place + 1])[place : place + 2]
    step, share = high - low, part / 4
    return float(low + step * share if part == 1 else high - step * (1 - share))


def _median(values: np.ndarray) -> float:
    """Return what `np.median` does for (N,) float64, to the bit."""
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    low, high = np.partition(values, [half - 1, half])[half - 1 : half + 1]
    return float((low + high) / 2)


def _gain(level: _Level, image: np.ndarray) -> tuple[float, float]:
    weighted = level.weight * image
    cross, energy = float(np.vdot(weighted, level.image)), float(np.vdot(weighted, image))
    key = float(np.vdot(level.weight * level.image, level.image))
    return float(np.clip(cross / max(energy, 1e-9), 0.5, 2.0)), cross / max(np.sqrt(energy * key), 1e-9)
