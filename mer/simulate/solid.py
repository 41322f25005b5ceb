"""A head as a solid: a depth for every point of its picture, and the picture from any side.

The picture of the neutral head (material coordinates, `mer.simulate.head`) is what a camera `DISTANCE` away sees of a
relief. Its depths, in distances between the eyes, are those of an average skull by landmark, joined by a thin-plate
spline. The relief turns about a pivot in the neck, is projected with perspective, and the neck is bent between the
turned head and the body, which stays. No slope is steeper than `STEEPEST`, so up to 25 degrees no part hides another,
and the map from picture to frame can be inverted everywhere.

Directions: x right, y down, z towards the camera; angles in radians. A positive yaw turns the nose to the right of the
picture, a positive pitch downwards, a positive roll turns clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mer.core.geometry import apply, invert
from mer.simulate.action_units import inter_ocular
from mer.simulate.sampling import LINEAR, sample
from mer.simulate.timeline import smooth_step

DISTANCE = 11.0  # distances between the eyes: 70 cm
PIVOT_BELOW, PIVOT_BEHIND = 0.75, 1.15  # below and behind the bridge of the nose
STEEPEST = 1.9
SMOOTH = 0.07
NECK = (0.12, 0.75)  # from here below the chin the neck follows the head, to here it leaves it
ROUNDS = 6
SHADING = 0.55
# Depths of the 68 landmarks on the right half of the picture's face, chin first; the left half mirrors it.
JAW_DEPTH = (-1.10, -1.05, -0.97, -0.84, -0.66, -0.46, -0.28, -0.16, -0.11)
BROW_DEPTH = (-0.36, -0.19, -0.07, 0.0, 0.05)
BRIDGE_DEPTH = (0.03, 0.14, 0.27, 0.39)
BASE_DEPTH = (0.07, 0.16, 0.20, 0.16, 0.07)
EYE_DEPTH = (-0.28, -0.16, -0.14, -0.18, -0.16, -0.18)
LIP_DEPTH = (-0.05, 0.07, 0.15, 0.16, 0.15, 0.07, -0.05, 0.04, 0.10, 0.11, 0.10, 0.04)
INNER_DEPTH = (-0.05, 0.10, 0.12, 0.10, -0.05, 0.09, 0.10, 0.09)
# Points beyond the landmarks, from the bridge of the nose or the chin, with their depths.
ABOVE = (
    (0.0, -0.45, 0.02), (0.0, -0.8, -0.08), (0.55, -0.7, -0.25), (0.95, -0.45, -0.65), (0.0, -1.3, -0.6),
    (0.8, -1.2, -0.9), (1.25, -0.6, -1.15), (1.4, 0.1, -1.2), (1.5, 0.8, -1.25), (0.0, -2.2, -1.3), (1.6, -1.6, -1.3),
    (2.6, -1.0, -1.3), (2.6, 1.0, -1.3), (0.75, 0.45, -0.2), (0.55, 0.75, -0.12),
)  # fmt: skip
BELOW = (
    (0.0, 0.45, -0.62), (0.45, 0.45, -0.75), (0.0, 0.9, -0.8), (0.5, 0.9, -0.95), (1.2, 0.6, -1.2), (0.0, 1.8, -0.9),
    (1.2, 1.8, -1.2), (2.6, 1.8, -1.3),
)  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """Where head and body are in one frame.

    Args:
        yaw, pitch, roll: of the head, radians.
        shift: (x, y) of the head, pixels of the frame.
        scale: of the person: nearer to the camera.
        body: (x, y) shift of the body, pixels of the frame.
        camera: (2, 3) what the camera's own motion and zoom do to the picture, frame pixels to frame pixels.
    """

    yaw: float
    pitch: float
    roll: float
    shift: tuple[float, float]
    scale: float
    body: tuple[float, float]
    camera: np.ndarray

    @property
    def rotation(self) -> np.ndarray:
        """The rotation (3, 3): roll after pitch after yaw."""
        (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (self.yaw, self.pitch, self.roll))
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return roll @ pitch @ yaw


class Solid:
    """The relief of one head.

    Args:
        landmarks: (68, 2) neutral landmarks, material pixels.
        extent: material (left, top, right, bottom) of the head's picture.
        anchor: (x, y) of the frame where the pivot lies at rest.
    """

    def __init__(
        self, landmarks: np.ndarray, extent: tuple[float, float, float, float], anchor: tuple[float, float]
    ) -> None:
        self.eyes = inter_ocular(landmarks)
        self.anchor = np.asarray(anchor, np.float64)
        self.pivot = landmarks[27] + [0.0, PIVOT_BELOW * self.eyes]
        self.behind = -PIVOT_BEHIND * self.eyes
        self.distance = DISTANCE * self.eyes
        pad = round(self.eyes)
        self.corner = np.floor(np.array(extent[:2])) - pad
        size = np.ceil(np.array(extent[2:]) - self.corner).astype(int) + pad
        depth = _relief(landmarks, self.eyes, self.corner, (int(size[1]), int(size[0])))
        rows = self.corner[1] + np.arange(size[1])
        along = (rows - landmarks[8, 1]) / self.eyes
        follows = 1 - smooth_step((along - NECK[0]) / (NECK[1] - NECK[0]))
        weight = np.repeat(follows[:, None], size[0], axis=1)
        self.depth = np.stack([depth, weight], axis=-1).astype(np.float32)
        slope = np.stack([cv2.Sobel(depth, cv2.CV_64F, 1, 0), cv2.Sobel(depth, cv2.CV_64F, 0, 1)], axis=-1) / 8
        self.normals = np.concatenate([-slope, np.ones((*depth.shape, 1))], axis=-1)
        self.normals /= np.linalg.norm(self.normals, axis=-1, keepdims=True)
        self.normals = cv2.GaussianBlur(self.normals, (0, 0), 0.06 * self.eyes).astype(np.float32)

    def read(self, points: np.ndarray) -> np.ndarray:
        """Return depth (px) and how far the head carries them (N, 2) at points (N, 2) of the neutral picture."""
        where = np.clip(points - self.corner, 0, np.array(self.depth.shape[1::-1]) - 1.001)
        low = where.astype(int)
        u, v = (where - low).T[:, :, None]
        x, y = low.T
        grid = self.depth
        above = grid[y, x] * (1 - u) + grid[y, x + 1] * u
        return np.asarray(above * (1 - v) + (grid[y + 1, x] * (1 - u) + grid[y + 1, x + 1] * u) * v)

    def forward(self, pose: Pose, points: np.ndarray) -> np.ndarray:
        """Return where points (N, 2) of the neutral picture are in the frame, float64 pixels."""
        points = np.asarray(points, np.float64)
        depth, follows = self.read(points).T
        head = self._project(pose, points, depth)
        body = self._body(pose, points)
        return apply(pose.camera, body + follows[:, None] * (head - body))

    def inverse(self, pose: Pose, points: np.ndarray) -> np.ndarray:
        """Return the points (N, 2) float32 of the neutral picture that are seen at frame points (N, 2)."""
        target = apply(invert(pose.camera), np.asarray(points, np.float64)).astype(np.float32)
        place = (self.anchor + np.array(pose.shift)).astype(np.float32)
        start = self.pivot + (target - place) / pose.scale
        picture = self._unproject(pose, target, np.zeros(len(target), np.float32)) if len(points) else start
        corner = self.corner.astype(np.float32)
        for _ in range(ROUNDS):
            depth, follows = sample(self.depth, (picture - corner).astype(np.float32)[None], LINEAR)[0].T
            left = np.flatnonzero(follows < 1)
            goal = target.copy()
            if left.size:
                head = self._project(pose, picture[left], depth[left])
                body = self._body(pose, picture[left])
                goal[left] -= ((1 - follows[left])[:, None] * (body - head)).astype(np.float32)
            picture = self._unproject(pose, goal, depth)
        return picture

    def shading(self, pose: Pose, picture: np.ndarray, light: tuple[float, float, float]) -> np.ndarray:
        """Return the relative brightness (h, w) float32 that turning gives to points (h, w, 2) of the picture."""
        normal = sample(self.normals, (picture - self.corner).astype(np.float32), LINEAR)
        towards = np.asarray(light) / np.linalg.norm(light)
        change = pose.rotation.T @ towards - towards
        return np.asarray(1 + SHADING * (normal @ change.astype(np.float32)))

    def _body(self, pose: Pose, points: np.ndarray) -> np.ndarray:
        return self.anchor + np.array(pose.body) + pose.scale * (points - self.pivot)

    def _project(self, pose: Pose, points: np.ndarray, depth: np.ndarray) -> np.ndarray:
        flat = (points - self.pivot) * ((self.distance - depth) / self.distance)[:, None]
        turned = np.column_stack([flat, depth - self.behind]) @ pose.rotation.T
        seen = turned[:, :2] * (self.distance / (self.distance - turned[:, 2] - self.behind))[:, None]
        return self.anchor + np.array(pose.shift) + pose.scale * seen

    def _unproject(self, pose: Pose, target: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Return the points of the picture with given depths that the turned head shows at `target` (N, 2)."""
        far, r = np.float32(self.distance), pose.rotation.astype(np.float32)
        place = (self.anchor + np.array(pose.shift)).astype(np.float32)
        u, v = ((target - place) / np.float32(pose.scale)).T
        height = depth - np.float32(self.behind)
        room = far - np.float32(self.behind) - r[2, 2] * height
        a, b, c, d = (
            far * r[0, 0] + u * r[2, 0],
            far * r[0, 1] + u * r[2, 1],
            far * r[1, 0] + v * r[2, 0],
            (far * r[1, 1] + v * r[2, 1]),
        )
        e, f = u * room - far * r[0, 2] * height, v * room - far * r[1, 2] * height
        factor = far / ((a * d - b * c) * (far - depth))
        flat = np.stack([(d * e - b * f) * factor, (a * f - c * e) * factor], axis=-1)
        return flat + self.pivot.astype(np.float32)


def _relief(landmarks: np.ndarray, eyes: float, corner: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the depth (h, w) float64 in pixels at every pixel of the picture from `corner` on."""
    from scipy.interpolate import RBFInterpolator

    jaw = (*JAW_DEPTH, *JAW_DEPTH[-2::-1])
    brows = (*BROW_DEPTH, *BROW_DEPTH[::-1])
    left = (EYE_DEPTH[3], EYE_DEPTH[2], EYE_DEPTH[1], EYE_DEPTH[0], EYE_DEPTH[5], EYE_DEPTH[4])
    depths = [*jaw, *brows, *BRIDGE_DEPTH, *BASE_DEPTH, *EYE_DEPTH, *left, *LIP_DEPTH, *INNER_DEPTH]
    keep = [k for k in range(68) if k not in (60, 64, 65, 66, 67)]
    points, values = list(landmarks[keep]), [depths[k] for k in keep]
    for origin, some in ((landmarks[27], ABOVE), (landmarks[8], BELOW)):
        for x, y, z in some:
            for side in (-1, 1) if x else (1,):
                points.append(origin + np.array([side * x, y]) * eyes)
                values.append(z)
    spline = RBFInterpolator(np.array(points), np.array(values), kernel="thin_plate_spline", smoothing=0.02 * eyes)
    step = max(2, round(eyes / 14))
    rows, columns = shape[0] // step + 4, shape[1] // step + 4
    x, y = np.meshgrid(corner[0] + (np.arange(columns) - 1) * step, corner[1] + (np.arange(rows) - 1) * step)
    coarse = np.clip(spline(np.column_stack([x.ravel(), y.ravel()])).reshape(rows, columns), -1.4, 0.5) * eyes
    slope = np.hypot(*np.gradient(coarse, step))
    coarse = cv2.GaussianBlur(coarse, (0, 0), SMOOTH * eyes / step)
    for _ in range(60):
        slope = np.hypot(*np.gradient(coarse, step))
        if slope.max() <= STEEPEST:
            break
        coarse = np.where(slope > 0.8 * STEEPEST, cv2.GaussianBlur(coarse, (0, 0), 1.0), coarse)
    matrix = np.array([[1 / step, 0, 1], [0, 1 / step, 1]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    full = cv2.warpAffine(coarse, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(full, (0, 0), max(1.0, 0.4 * step)))
