"""The 68 facial landmarks and plane similarities.

Landmarks follow the iBUG/300-W order, 0-based, 'left' and 'right' as in the image. A transform is a (2, 3)
float64 matrix A with `y = A[:, :2] @ x + A[:, 2]`; a similarity has A[:, :2] = s R, R a rotation.
"""

from __future__ import annotations

import numpy as np

JAW = tuple(range(0, 17))
LEFT_BROW = tuple(range(17, 22))
RIGHT_BROW = tuple(range(22, 27))
NOSE_BRIDGE = tuple(range(27, 31))
NOSE_BASE = tuple(range(31, 36))
LEFT_EYE = tuple(range(36, 42))
RIGHT_EYE = tuple(range(42, 48))
OUTER_LIPS = tuple(range(48, 60))
INNER_LIPS = tuple(range(60, 68))
MOUTH = OUTER_LIPS + INNER_LIPS
#: The landmark that is the mirror image of each.
MIRRORED = (
    *range(16, -1, -1),
    *reversed(LEFT_BROW + RIGHT_BROW),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
)
EYE_CORNERS = (36, 39, 42, 45)
# Points that no facial muscle moves by much: the bridge of the nose and the corners of the eyes.
RIGID = (*NOSE_BRIDGE, *EYE_CORNERS)

# Centres of the eyes in a crop, as fractions of its side. With 0.28 between the eyes the chin of an average
# face lies at 0.89 of the height (1.9 eye distances below the eyes) and 0.95 with the jaw dropped; 1.3 eye
# distances stay above the eyes, enough for raised brows and the forehead.
EYE_ROW = 0.36
EYE_SPREAD = 0.28


def canonical_eyes(size: int, row: float = EYE_ROW, spread: float = EYE_SPREAD) -> np.ndarray:
    """Return the (2, 2) pixel positions (x, y) of the left and right eye centre in a crop of side `size`.

    `row` and `spread` are the height and the distance of the eyes as fractions of the side; pixel centres
    are at integer coordinates, so the crop spans [-0.5, size - 0.5].
    """
    x = np.array([0.5 - spread / 2, 0.5 + spread / 2])
    return np.stack([x * size, np.full(2, row * size)], axis=1) - 0.5


def eye_centres(landmarks: np.ndarray) -> np.ndarray:
    """Return the (..., 2, 2) left and right eye centres of landmarks (..., 68, 2).

    A centre is the midpoint of the corners of an eye: unlike the mean of all six points it does not move
    with a blink.
    """
    left = landmarks[..., (36, 39), :].mean(axis=-2)
    right = landmarks[..., (42, 45), :].mean(axis=-2)
    return np.stack([left, right], axis=-2)


def eye_distance(landmarks: np.ndarray) -> float:
    """Return the distance between the eye centres of landmarks (68, 2), in their pixels."""
    left, right = eye_centres(landmarks)
    return float(np.linalg.norm(right - left))


def similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the (2, 3) similarity that takes `source` (N, 2) onto `target` (N, 2) in weighted least squares.

    Reflections are excluded (Umeyama, IEEE TPAMI 13(4), 1991; the plane case is linear in s cos, s sin).

    Raises:
        ValueError: fewer than two distinct points carry weight.
    """
    weights = np.ones(len(source)) if weights is None else np.asarray(weights, float)
    total = weights.sum()
    if not total > 0:
        raise ValueError("a similarity needs two distinct points of positive weight")
    # Sums and products of single elements, here and below: the order of BLAS depends on the processor.
    weights = (weights / total)[:, None]
    mean_s, mean_t = (weights * source).sum(axis=0), (weights * target).sum(axis=0)
    s, t = source - mean_s, target - mean_t
    spread = (weights * (s * s)).sum()
    if spread <= 1e-12 * max(1.0, float(np.abs(source).max()) ** 2):
        raise ValueError("a similarity needs two distinct points of positive weight")
    cosine = (weights * (s * t)).sum() / spread
    sine = (weights[:, 0] * (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0])).sum() / spread
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    matrix[:, 2] = mean_t - apply(matrix, mean_s)
    return matrix


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points (..., 2) taken through `matrix` (2, 3), or through one matrix each ((T, 2, 3), (T, N, 2))."""
    m = matrix[..., None, :, :] if matrix.ndim > 2 else matrix
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * m[..., k, 0] + y * m[..., k, 1] + m[..., k, 2] for k in range(2)], axis=-1)


def invert(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of transforms (..., 2, 3)."""
    (a, b, x), (c, d, y) = np.moveaxis(np.asarray(matrix, dtype=np.float64), (-2, -1), (0, 1))
    size = a * d - b * c
    a, b, c, d = d / size, -b / size, -c / size, a / size
    rows = ([a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)])
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the transform that applies `inner` (..., 2, 3) first and `outer` (..., 2, 3) second."""
    product = outer[..., :, :1] * inner[..., :1, :] + outer[..., :, 1:2] * inner[..., 1:2, :]
    product[..., 2] += outer[..., 2]
    return np.asarray(product)


def scale_of(matrix: np.ndarray) -> np.ndarray:
    """Return the scale (...,) of similarities (..., 2, 3): target pixels per source pixel."""
    return np.hypot(matrix[..., 0, 0], matrix[..., 1, 0])


def parameters(matrix: np.ndarray) -> np.ndarray:
    """Return similarities (..., 2, 3) as (..., 4) numbers (s cos, s sin, x, y), which may be averaged."""
    return np.stack([matrix[..., 0, 0], matrix[..., 1, 0], matrix[..., 0, 2], matrix[..., 1, 2]], axis=-1)


def from_parameters(values: np.ndarray) -> np.ndarray:
    """Return the similarities (..., 2, 3) of `parameters` (..., 4)."""
    c, s, x, y = np.moveaxis(np.asarray(values, float), -1, 0)
    return np.stack([np.stack([c, -s, x], axis=-1), np.stack([s, c, y], axis=-1)], axis=-2)
