"""One person before a camera: the head in any pose and state of its skin, the clothes, the wall behind.

A frame is x = C(H(q)), q = F(m): the skin moves in its neutral picture (`mer.simulate.face_motion`), the head turns as
a solid (`mer.simulate.solid`), the camera moves (C). All is composed in grey levels rather than in linear light, which
differs at half-transparent edges only and saves a third of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from mer.core.geometry import apply
from mer.core.seeds import derive_seed
from mer.simulate.action_units import inter_ocular
from mer.simulate.camera import GAMMA
from mer.simulate.face_motion import FaceMotion, Skin
from mer.simulate.hands import Hand
from mer.simulate.head import OVERSAMPLING, PHOTO_SCALE, Head, backdrop, build_head, frame_scale, garment
from mer.simulate.identity import CENTRE, NECK_MIDDLE, draw_identity, neck_half_width, shape_landmarks
from mer.simulate.irises import Irises
from mer.simulate.lids import Lids
from mer.simulate.photograph import neutral_photograph
from mer.simulate.sampling import CUBIC, LANCZOS, LINEAR, sample
from mer.simulate.solid import Pose, Solid

COLLAR = 0.22  # below the chin, distances between the eyes
NODES = 14  # per distance between the eyes
STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
LOWER_LIP = np.isin(np.arange(68), [*range(17), *range(55, 60), 65, 66, 67])


@dataclass(frozen=True)
class Look:
    """A person in one frame: pose and skin, how far the lids are closed (0-1), and where the irises are.

    `gaze` is (x, y) in material pixels; `hand` is (x, y, angle) of a hand, pixels from the mouth and radians.
    """

    pose: Pose
    skin: Skin
    closure: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    hand: tuple[float, float, float] | None = None


class Scene:
    """One person before a camera.

    Args:
        seed: decides who it is and where they sit.
        size: (width, height) of a frame, pixels.
        eyes: pixels between the eyes of a person at rest.
    """

    def __init__(self, seed: int, size: tuple[int, int], eyes: float) -> None:
        self.size, self.eyes = size, eyes
        self.head = _person(seed, eyes)
        self.motion = FaceMotion(self.head.landmarks)
        rng = np.random.default_rng(derive_seed(seed, "seat"))
        width, height = size
        anchor = (width * (0.5 + rng.uniform(-0.06, 0.06)), height * 0.40 + 0.75 * eyes + rng.uniform(-0.1, 0.1) * eyes)
        self.solid = Solid(self.head.landmarks, self.head.extent, anchor)
        low, high = self.head.landmarks.min(0), self.head.landmarks.max(0)
        reach = 0.35 * self.motion.eyes
        self._face = (float(low[0]), float(low[1] - reach), float(high[0]), float(high[1] + reach))
        self.lids = Lids(self.head.landmarks)
        self._texture, self._closed = grey_levels(self.head.texture), grey_levels(self.head.closed)
        self._irises = Irises(self._texture, self.head.landmarks, self.head.margin)
        self._seed = seed
        identity = self.head.identity
        self._light = (1.3 * identity.light_side, -0.5, 1.0)
        wall = np.concatenate([backdrop(identity, width, height), np.ones((height, width, 1), np.float32)], axis=-1)
        self._wall = np.ascontiguousarray(grey_levels(wall)[..., :3])
        self._front, self._front_corner = self._clothes()

    def draw(self, look: Look) -> np.ndarray:
        """Return a frame (H, W, 3) float32 in grey levels, without flicker and noise."""
        camera = look.pose.camera
        moved = not np.array_equal(camera, STILL)
        border = cv2.BORDER_REFLECT
        out = cv2.warpAffine(self._wall, camera, self.size, borderMode=border) if moved else self._wall.copy()
        window = self._window(look.pose, self.head.extent)
        if window[0].stop > window[0].start and window[1].stop > window[1].start:
            self._draw_head(out[window], look, window)
        self._dress(out, look.pose)
        if look.hand is not None:
            at = self.solid.anchor + np.array(look.hand[:2]) + [0.0, 0.3 * self.eyes]
            self._hand.draw(out, apply(camera, at[None])[0], look.hand[2], float(np.sqrt(np.linalg.det(camera[:, :2]))))
        return np.asarray(out)

    def landmarks(self, look: Look) -> np.ndarray:
        """Return the 68 landmarks (68, 2) float64 in frame pixels; those of the upper lids follow a blink."""
        return self.track(look, self.lids.closed_landmarks(self.head.landmarks, look.closure), LOWER_LIP)

    def track(self, look: Look, points: np.ndarray, lower: np.ndarray | None = None) -> np.ndarray:
        """Return where material points (N, 2) are in the frame; `lower` (N,) says which of them follow the jaw."""
        return self.solid.forward(look.pose, self.motion.forward(look.skin, points, lower))

    def material(self, look: Look) -> tuple[np.ndarray, np.ndarray]:
        """Return the material point (H, W, 2) float32 of every pixel, and where (H, W) bool it shows skin or hair."""
        width, height = self.size
        window = self._window(look.pose, self.head.extent)
        material = np.full((height, width, 2), np.nan, np.float32)
        shows = np.zeros((height, width), bool)
        if window[0].stop > window[0].start and window[1].stop > window[1].start:
            seen, _ = self._seen(look.pose, window)
            found, between = self._skin_map(seen, look.skin)
            material[window] = found
            where = (found + np.float32(self.head.margin)) * np.float32(OVERSAMPLING)
            opacity = sample(np.ascontiguousarray(self._texture[..., 3]), where, LINEAR)
            shows[window] = opacity > 0.5
            if between is not None:
                rows, columns, cover, _ = between
                shows[window][rows, columns] &= cover <= 0
        return material, shows

    @cached_property
    def _hand(self) -> Hand:
        cheeks = (
            (self.head.landmarks[[2, 14]] * 0.65 + self.head.landmarks[30] * 0.35) + self.head.margin
        ) * OVERSAMPLING
        x, y = np.rint(cheeks).astype(int).T
        return Hand(self._seed, self.eyes, 1.08 * self._texture[y, x, :3].max(axis=0))

    def _window(self, pose: Pose, box: tuple[float, float, float, float]) -> tuple[slice, slice]:
        """Return the (rows, columns) of the frame that hold a material box."""
        left, top, right, bottom = box
        x, y = np.meshgrid(np.linspace(left, right, 5), np.linspace(top, bottom, 5))
        corners = self.solid.forward(pose, np.column_stack([x.ravel(), y.ravel()]))
        low = np.clip(np.floor(corners.min(0)) - 4, 0, self.size).astype(int)
        high = np.clip(np.ceil(corners.max(0)) + 5, 0, self.size).astype(int)
        return slice(low[1], high[1]), slice(low[0], high[0])

    def _seen(self, pose: Pose, window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Return the point (h, w, 2) float32 of the unturned picture at every pixel of a window, and its shading.

        The shading (h, w) float32 is a factor on grey levels.
        """
        step = max(3, round(self.eyes / NODES))
        height, width = (side.stop - side.start for side in window)
        rows, columns = height // step + 4, width // step + 4
        x, y = np.meshgrid(
            window[1].start + (np.arange(columns) - 1.0) * step, window[0].start + (np.arange(rows) - 1.0) * step
        )
        nodes = self.solid.inverse(pose, np.column_stack([x.ravel(), y.ravel()])).reshape(rows, columns, 2)
        shade = np.power(np.clip(self.solid.shading(pose, nodes, self._light), 0.2, 3), 1 / GAMMA)
        down, across = _spline(rows, step), _spline(columns, step)
        middle = nodes[rows // 2, columns // 2]
        seen = np.stack([down @ (nodes[..., k] - middle[k]) @ across.T + middle[k] for k in range(2)], axis=-1)
        full = down @ shade.astype(np.float32) @ across.T
        return np.ascontiguousarray(seen[:height, :width]), np.ascontiguousarray(full[:height, :width])

    def _skin_map(
        self, seen: np.ndarray, skin: Skin
    ) -> tuple[np.ndarray, tuple[slice, slice, np.ndarray, np.ndarray] | None]:
        """Return the material points (h, w, 2) of a window, and what shows between the lips: where, cover, colour."""
        box = self.motion.box(skin)
        if box is None:
            return seen, None
        rows, columns = _inside(seen, box)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return seen, None
        part = np.ascontiguousarray(seen[rows, columns])
        found, lips = self.motion.inverse(skin, part)
        material = seen.copy()
        material[rows, columns] = found
        if lips is None:
            return material, None
        upper, lower = lips
        cover = np.clip(np.minimum(upper, lower), 0, 1).astype(np.float32)
        low, wide = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
        if not low.size:
            return material, None
        r, c = slice(int(low[0]), int(low[-1]) + 1), slice(int(wide[0]), int(wide[-1]) + 1)
        colour = self.motion.mouth.inside(part[r, c].astype(np.float64), skin.jaw, upper[r, c], lower[r, c])
        place = slice(rows.start + r.start, rows.start + r.stop), slice(columns.start + c.start, columns.start + c.stop)
        return material, (*place, cover[r, c], colour)

    def _draw_head(self, out: np.ndarray, look: Look, window: tuple[slice, slice]) -> None:
        seen, shade = self._seen(look.pose, window)
        material, between = self._skin_map(seen, look.skin)
        # Hair and neck need no finer kernel than the eye does.
        layer = _read(self._texture, material, self.head.margin, CUBIC)
        face = _inside(seen, self._face)
        if material[face].size:
            layer[face] = _read(self._texture, material[face], self.head.margin)
        if between is not None:
            rows, columns, cover, colour = between
            mouth = layer[rows, columns]
            mouth[..., :3] += cover[..., None] * (colour - mouth[..., :3])
        if look.closure > 0 or any(look.gaze):
            self._eyes(layer, material, look)
        layer[..., :3] *= shade[..., None]
        out *= 1 - layer[..., 3:]
        out += layer[..., :3]

    def _eyes(self, layer: np.ndarray, material: np.ndarray, look: Look) -> None:
        for eye, box in enumerate(self.lids.boxes()):
            rows, columns = _inside(material, tuple(box))
            if rows.stop <= rows.start or columns.stop <= columns.start:
                continue
            part, here = layer[rows, columns], material[rows, columns]
            if any(look.gaze):
                self._irises.move(part, here, eye, np.array(look.gaze))
            if look.closure > 0:
                lid, cover = self.lids.close(here, look.closure)
                part += cover[..., None] * (_read(self._closed, lid, self.head.margin) - part)

    def _clothes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the clothes (h, w, 4) in grey levels, and the frame point of their corner when the body is at rest."""
        identity, head = self.head.identity, self.head
        width, height = self.size
        spare = round(3.0 * self.eyes)
        offset = self.solid.anchor - self.solid.pivot
        chin = float(head.landmarks[8, 1] + offset[1])
        scale = PHOTO_SCALE * identity.zoom * frame_scale(*head.backdrop.shape[1::-1])
        half = neck_half_width(identity) * scale
        middle = (NECK_MIDDLE - CENTRE[0]) * scale
        middle = float((-middle if identity.mirrored else middle) + (head.backdrop.shape[1] - 1) / 2 + offset[0])
        top = max(0, round(chin - 0.1 * self.eyes))
        rows = max(1, height - top) + 2 * spare
        cut = garment(
            identity, middle - half + spare, middle + half + spare, chin - top + COLLAR * self.eyes,
            width + 2 * spare, rows, self.eyes / 105.0,
        )  # fmt: skip
        return grey_levels(cut), np.array([-spare, top], np.float64)

    def _dress(self, out: np.ndarray, pose: Pose) -> None:
        # A point of the clothes at rest goes where the body takes it.
        scale = pose.scale
        shift = self.solid.anchor + np.array(pose.body) + scale * (self._front_corner - self.solid.anchor)
        linear = pose.camera[:, :2] * scale
        matrix = np.column_stack([linear, apply(pose.camera, shift)])
        top = int(np.clip(apply(matrix, np.array([[0.0, 0.0], [self._front.shape[1], 0.0]]))[:, 1].min() - 2, 0, None))
        if top >= self.size[1]:
            return
        matrix[1, 2] -= top
        size = (self.size[0], self.size[1] - top)
        # The clothes go on beyond their picture: shoulders to the sides, nothing above.
        border = cv2.BORDER_REPLICATE
        layer = cv2.warpAffine(self._front, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        part = out[top:]
        part *= 1 - layer[..., 3:]
        part += layer[..., :3]


def _canvas(seed: int, eyes: float) -> tuple[int, int]:
    factor = eyes / (_photo_eyes(derive_seed(seed, "person")) * PHOTO_SCALE)
    zoom = draw_identity(derive_seed(seed, "person"), 0).zoom
    return round(640 * factor / zoom), round(480 * factor / zoom)


def _photo_eyes(person: int) -> float:
    """Return the distance between the eyes of a person in pixels of the photograph."""
    return inter_ocular(shape_landmarks(draw_identity(person, 0), neutral_photograph().rest))


def _person(seed: int, eyes: float) -> Head:
    return build_head(derive_seed(seed, "person"), 0, *_canvas(seed, eyes))


def grey_levels(texture: np.ndarray) -> np.ndarray:
    """Return premultiplied linear light (h, w, 4), 0-1, as premultiplied grey levels 0-255 with opacity 0-1."""
    alpha = texture[..., 3:]
    colour = np.clip(texture[..., :3] / np.maximum(alpha, 1e-3), 0, 1)
    developed = np.power(colour, np.float32(1 / GAMMA)) * np.float32(255)
    return np.ascontiguousarray(np.concatenate([developed * alpha, alpha], axis=-1), dtype=np.float32)


def _read(texture: np.ndarray, material: np.ndarray, margin: float, kernel: int = LANCZOS) -> np.ndarray:
    return sample(texture, (material + np.float32(margin)) * np.float32(OVERSAMPLING), kernel)


def _inside(points: np.ndarray, box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Return the (rows, columns) of a map of points (h, w, 2) that hold those within a box, with a margin."""
    rough = points[::3, ::3]
    left, top, right, bottom = box
    within = (rough[..., 0] > left) & (rough[..., 0] < right) & (rough[..., 1] > top) & (rough[..., 1] < bottom)
    rows, columns = np.flatnonzero(within.any(axis=1)), np.flatnonzero(within.any(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    low, high = np.array([rows[0], columns[0]]) * 3 - 4, np.array([rows[-1], columns[-1]]) * 3 + 5
    low, high = np.maximum(low, 0), np.minimum(high, points.shape[:2])
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


@lru_cache(maxsize=64)
def _spline(nodes: int, step: int) -> np.ndarray:
    """Return the matrix from values at nodes, the first one step before the window, to its pixels."""
    from scipy.interpolate import make_interp_spline

    spline = make_interp_spline((np.arange(nodes) - 1.0) * step, np.eye(nodes), k=3)
    return np.asarray(spline(np.arange((nodes - 3) * step)), dtype=np.float32)
