"""Life-like recordings of simulated people: all that real footage has besides micro-expressions, with exact truth.

    recording = lifelike(seed=3, seconds=60, fps=30, size=(480, 360), habits=Habits(micro=6, talk=0.5))
    for frame in recording.frames(): ...        # (H, W, 3) uint8 RGB
    recording.events                            # what happens when
    recording.landmarks()                       # (T, 68, 2) float64, exact

A frame is x = C(H(q)), q = F(m): the skin moves in its neutral picture (`mer.simulate.face_motion`), the head turns as
a solid (`mer.simulate.solid`), the camera moves (C). Frames are composed in grey levels rather than in linear light,
and rendered one by one from the plan: any frame alone is the same bytes as in its turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache

import cv2
import numpy as np

from mer.core.geometry import apply
from mer.core.seeds import derive_seed
from mer.simulate import timeline
from mer.simulate.action_units import inter_ocular
from mer.simulate.behaviour import draw_tracks, levels
from mer.simulate.camera import GAMMA, MID_GREY, READ_SHARE, flicker_gain
from mer.simulate.content import SHOWN, draw_play
from mer.simulate.face_motion import BESIDE, FaceMotion, Skin
from mer.simulate.habits import EXPRESSIONS, Event, Habits, draw_events
from mer.simulate.head import OVERSAMPLING, PHOTO_SCALE, Head, backdrop, build_head, garment
from mer.simulate.identity import NECK_MIDDLE, draw_identity, neck_half_width, shape_landmarks
from mer.simulate.lids import Lids
from mer.simulate.photograph import neutral_photograph
from mer.simulate.sampling import LANCZOS, sample
from mer.simulate.solid import Pose, Solid

EYES = (40.0, 120.0)  # pixels between the eyes
MOST_OF_HEIGHT = 0.25  # the distance between the eyes, of the height of a frame
COLLAR = 0.22  # below the chin, distances between the eyes
BODY_FOLLOWS = 0.75  # of the head's shifts
NODES = 14  # per distance between the eyes
NOISE_SPARE = 61


def lifelike(
    seed: int,
    seconds: float,
    fps: float = 30.0,
    size: tuple[int, int] = (480, 360),
    habits: Habits | None = None,
    eyes: float | None = None,
) -> LifelikeRecording:
    """Return a recording of the person with this seed.

    Args:
        seed: decides who is filmed and all that happens.
        seconds: its length.
        fps: frames per second.
        size: (width, height) of a frame, pixels.
        habits: what the person and the camera do; `Habits()` when None.
        eyes: pixels between the eyes; drawn from what fits the frame when None.
    """
    rng = np.random.default_rng(derive_seed(seed, "lifelike"))
    drawn = rng.uniform(EYES[0], max(EYES[0] + 1, min(EYES[1], MOST_OF_HEIGHT * size[1])))
    return LifelikeRecording(seed, round(seconds * fps), fps, size, habits or Habits(), eyes or float(drawn))


class LifelikeRecording:
    """A recording of one simulated person.

    Args:
        seed: decides who is filmed and all that happens.
        count: number of frames.
        fps: frames per second.
        size: (width, height) of a frame, pixels.
        habits: what the person and the camera do.
        eyes: pixels between the eyes.

    Attributes:
        events: what happens, by first frame; a micro- or macro-expression's `amplitude` is what the skin allows.
        tracks: the state of the person in every frame.
    """

    def __init__(self, seed: int, count: int, fps: float, size: tuple[int, int], habits: Habits, eyes: float) -> None:
        self.seed, self.count, self.fps, self.size, self.habits, self.eyes = seed, count, fps, size, habits, eyes
        self.events = draw_events(seed, count, fps, habits)
        self.tracks = draw_tracks(seed, count, fps, habits, self.events)
        self.head = _person(seed, eyes)
        self.motion = FaceMotion(self.head.landmarks)
        self.events = [self._with_units(event) for event in self.events]
        rng = np.random.default_rng(derive_seed(seed, "seat"))
        width, height = size
        anchor = (width * (0.5 + rng.uniform(-0.06, 0.06)), height * 0.40 + 0.75 * eyes + rng.uniform(-0.1, 0.1) * eyes)
        self.solid = Solid(self.head.landmarks, self.head.extent, anchor)
        self.lids = Lids(self.head.landmarks)
        self._texture, self._closed = _grey_levels(self.head.texture), _grey_levels(self.head.closed)
        identity = self.head.identity
        self._light = (1.3 * identity.light_side, -0.5, 1.0)
        wall = np.concatenate([backdrop(identity, width, height), np.ones((height, width, 1), np.float32)], axis=-1)
        self._wall = np.ascontiguousarray(_grey_levels(wall)[..., :3])
        self._front, self._front_corner = self._clothes()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3) uint8 RGB."""
        for number in range(start, self.count if stop is None else stop):
            yield self.frame(number)

    def frame(self, number: int) -> np.ndarray:
        """Return one frame (H, W, 3) uint8 RGB as the camera sees it."""
        return self._expose(self.clean(number), number)

    def clean(self, number: int) -> np.ndarray:
        """Return one frame (H, W, 3) float32 in grey levels, without flicker, noise and compression."""
        pose, skin = self.pose(number), self.skin(number)
        moved = not np.array_equal(pose.camera, _STILL)
        size = self.size
        out = (
            cv2.warpAffine(self._wall, pose.camera, size, borderMode=cv2.BORDER_REFLECT) if moved else self._wall.copy()
        )
        window = self._window(pose, self.head.extent)
        if window[0].stop > window[0].start and window[1].stop > window[1].start:
            self._draw_head(out[window], pose, skin, number, window)
        self._dress(out, pose)
        return out

    def pose(self, number: int) -> Pose:
        """Return where head, body and camera are in a frame."""
        yaw, pitch, roll, x, y, scale = self.tracks.head[number]
        width, height = self.size
        gone = self.tracks.away[number] * (width / 2 + 2.2 * self.eyes + abs(self.solid.anchor[0] - width / 2))
        shift = np.array([x, y]) * self.eyes
        body = BODY_FOLLOWS * shift * [1.0, 0.7]
        leave = np.array([gone, 0.0])
        return Pose(yaw, pitch, roll, tuple(shift + leave), scale, tuple(body + leave), self._camera(number))

    def skin(self, number: int) -> Skin:
        """Return the state of the skin in a frame."""
        total: dict[tuple[int, str], float] = {}
        at = np.asarray(number, np.float64)
        for event in self.events:
            if event.units and event.first < number < event.last:
                if event.kind == "micro":
                    each = timeline.intensities(event.units, event.first, event.apex, event.last, at)
                else:
                    each = levels(event, at) * np.array([unit.peak for unit in event.units])
                for unit, level in zip(event.units, each, strict=True):
                    key = (unit.number, unit.side)
                    total[key] = total.get(key, 0.0) + float(level)
        for unit_number, track in self.tracks.lower.items():
            if abs(track[number]) > BESIDE:
                total[(unit_number, "")] = float(track[number])
        return Skin({k: v for k, v in total.items() if v != 0}, float(self.tracks.jaw[number]) * self.motion.eyes)

    def landmarks(self) -> np.ndarray:
        """Return the 68 landmarks (T, 68, 2) float64 in frame pixels, exact, whether or not they are seen."""
        return np.stack([self.landmarks_at(number) for number in range(self.count)])

    def landmarks_at(self, number: int) -> np.ndarray:
        """Return the landmarks (68, 2) of one frame; those of the upper lids follow a blink."""
        points = self.lids.closed_landmarks(self.head.landmarks, float(self.tracks.closure[number]))
        return self.solid.forward(self.pose(number), self.motion.forward(self.skin(number), points, _LOWER_LIP))

    @cached_property
    def present(self) -> np.ndarray:
        """(T,) bool: the face is in the picture and nothing hides it."""
        seen = np.abs(self.tracks.away) < 0.02
        for event in self.events:
            if event.kind == "hand":
                seen[event.first : event.last + 1] = False
        return seen

    def flow(self, start: int, end: int) -> np.ndarray:
        """Return the flow (H, W, 2) float32 of the head from one frame to another, NaN where the head is not seen.

        Exact wherever a point is seen in both frames; eyelids, irises, the inside of the mouth, and what clothes or
        hands hide are not told apart.
        """
        material, shows = self.material(start)
        flow = np.full((*material.shape[:2], 2), np.nan, np.float32)
        points = material[shows].astype(np.float64)
        y, x = np.nonzero(shows)
        moved = self.solid.forward(self.pose(end), self.motion.forward(self.skin(end), points))
        flow[shows] = moved - np.column_stack([x, y])
        return flow

    def material(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the material point (H, W, 2) float32 of every pixel, and where (H, W) bool it shows skin or hair."""
        width, height = self.size
        window = self._window(self.pose(number), self.head.extent)
        material = np.full((height, width, 2), np.nan, np.float32)
        shows = np.zeros((height, width), bool)
        if window[0].stop > window[0].start and window[1].stop > window[1].start:
            seen, _ = self._seen(self.pose(number), window)
            found, between = self._skin_map(seen, self.skin(number))
            material[window] = found
            where = (found + np.float32(self.head.margin)) * np.float32(OVERSAMPLING)
            opacity = sample(np.ascontiguousarray(self._texture[..., 3]), where, cv2.INTER_LINEAR)
            shows[window] = opacity > 0.5
            if between is not None:
                rows, columns, cover, _ = between
                shows[window][rows, columns] &= cover <= 0
        return material, shows

    def _with_units(self, event: Event) -> Event:
        if event.kind not in EXPRESSIONS:
            return event
        rng = np.random.default_rng(derive_seed(event.seed, "units"))
        choices = SHOWN[event.emotion]
        play = draw_play(choices[int(rng.integers(len(choices)))], 1.0, rng)
        units, amplitude = self.motion.scaled(play, event.amplitude)
        return Event(
            event.kind, event.first, event.last, event.apex, event.seed, event.emotion, round(amplitude, 4), units
        )

    def _camera(self, number: int) -> np.ndarray:
        x, y, roll, zoom = self.tracks.camera[number]
        if x == y == roll == 0 and zoom == 1:
            return _STILL
        middle = (np.array(self.size) - 1) / 2
        linear = zoom * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        return np.column_stack([linear, middle + np.array([x, y]) * self.eyes - linear @ middle])

    def _window(self, pose: Pose, box: tuple[float, float, float, float]) -> tuple[slice, slice]:
        """Return the (rows, columns) of the frame that hold a material box."""
        left, top, right, bottom = box
        x, y = np.meshgrid(np.linspace(left, right, 5), np.linspace(top, bottom, 5))
        corners = self.solid.forward(pose, np.column_stack([x.ravel(), y.ravel()]))
        low = np.clip(np.floor(corners.min(0)) - 4, 0, self.size).astype(int)
        high = np.clip(np.ceil(corners.max(0)) + 5, 0, self.size).astype(int)
        return slice(low[1], high[1]), slice(low[0], high[0])

    def _seen(self, pose: Pose, window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Return the point (h, w, 2) float32 of the unturned picture at every pixel of a window, and its shading."""
        step = max(3, round(self.eyes / NODES))
        height, width = (side.stop - side.start for side in window)
        rows, columns = height // step + 4, width // step + 4
        x, y = np.meshgrid(
            window[1].start + (np.arange(columns) - 1.0) * step, window[0].start + (np.arange(rows) - 1.0) * step
        )
        nodes = self.solid.inverse(pose, np.column_stack([x.ravel(), y.ravel()])).reshape(rows, columns, 2)
        shade = self.solid.shading(pose, nodes, self._light)
        down, across = _spline(rows, step), _spline(columns, step)
        middle = nodes[rows // 2, columns // 2]
        seen = np.stack([down @ (nodes[..., k] - middle[k]) @ across.T + middle[k] for k in range(2)], axis=-1)
        full = cv2.resize(down @ shade.astype(np.float32) @ across.T, None, fx=1, fy=1)
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

    def _draw_head(self, out: np.ndarray, pose: Pose, skin: Skin, number: int, window: tuple[slice, slice]) -> None:
        seen, shade = self._seen(pose, window)
        material, between = self._skin_map(seen, skin)
        layer = _read(self._texture, material, self.head.margin)
        if between is not None:
            rows, columns, cover, colour = between
            mouth = layer[rows, columns]
            mouth[..., :3] += cover[..., None] * (colour - mouth[..., :3])
        closure = float(self.tracks.closure[number])
        if closure > 0:
            self._blink(layer, material, closure)
        layer[..., :3] *= np.power(np.clip(shade, 0.2, 3), np.float32(1 / GAMMA))[..., None]
        out *= 1 - layer[..., 3:]
        out += layer[..., :3]

    def _blink(self, layer: np.ndarray, material: np.ndarray, closure: float) -> None:
        for box in self.lids.boxes():
            rows, columns = _inside(material, tuple(box))
            if rows.stop > rows.start and columns.stop > columns.start:
                lid, cover = self.lids.close(material[rows, columns], closure)
                part = layer[rows, columns]
                part += cover[..., None] * (_read(self._closed, lid, self.head.margin) - part)

    def _clothes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the clothes (h, w, 4) in grey levels, and the frame point of their corner when the body is at rest."""
        identity, head = self.head.identity, self.head
        width, height = self.size
        spare = round(1.2 * self.eyes)
        offset = self.solid.anchor - self.solid.pivot
        chin = float(head.landmarks[8, 1] + offset[1])
        half = neck_half_width(identity) * self._photo_scale
        middle = (NECK_MIDDLE - 224.0) * self._photo_scale
        middle = float((-middle if identity.mirrored else middle) + self._canvas_middle + offset[0])
        top = max(0, round(chin - 0.1 * self.eyes))
        rows = max(1, height - top) + 2 * spare
        cut = garment(
            identity, middle - half + spare, middle + half + spare, chin - top + COLLAR * self.eyes,
            width + 2 * spare, rows, self.eyes / 105.0,
        )  # fmt: skip
        return _grey_levels(cut), np.array([-spare, top], np.float64)

    @property
    def _photo_scale(self) -> float:
        return self.eyes / _photo_eyes(derive_seed(self.seed, "person"))

    @property
    def _canvas_middle(self) -> float:
        return (_canvas(self.seed, self.eyes)[0] - 1) / 2

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
        layer = cv2.warpAffine(self._front, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        part = out[top:]
        part *= 1 - layer[..., 3:]
        part += layer[..., :3]

    def _expose(self, levels_: np.ndarray, number: int) -> np.ndarray:
        bright, side = self.tracks.light[number]
        gain = bright * flicker_gain(self.seed, self.habits.flicker, number, self.fps)
        if side:
            across = np.linspace(-1, 1, self.size[0], dtype=np.float32)[None, :, None]
            levels_ = levels_ * np.power(np.float32(gain) * (1 + np.float32(side) * across), np.float32(1 / GAMMA))
        elif gain != 1:
            levels_ *= np.float32(gain ** (1 / GAMMA))
        if self.habits.noise > 0:
            rng = np.random.default_rng(derive_seed(self.seed, "noise", number))
            pool = _noise_pool(*self.size)
            dy, dx, sheet = (int(v) for v in rng.integers([NOISE_SPARE, NOISE_SPARE, len(pool)]))
            grain = pool[sheet][dy : dy + self.size[1], dx : dx + self.size[0]]
            variance = cv2.convertScaleAbs(levels_)
            levels_ += cv2.LUT(variance, _noise_curve(self.habits.noise)) * grain
        return np.asarray(cv2.convertScaleAbs(np.maximum(levels_, 0, out=levels_)))


_STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
_LOWER_LIP = np.isin(np.arange(68), [*range(0, 17), *range(55, 60), 65, 66, 67])


def _canvas(seed: int, eyes: float) -> tuple[int, int]:
    factor = eyes / (_photo_eyes(derive_seed(seed, "person")) * PHOTO_SCALE)
    zoom = draw_identity(derive_seed(seed, "person"), 0).zoom
    return round(640 * factor / zoom), round(480 * factor / zoom)


def _photo_eyes(person: int) -> float:
    """Return the distance between the eyes of a person in pixels of the photograph."""
    return inter_ocular(shape_landmarks(draw_identity(person, 0), neutral_photograph().rest))


def _person(seed: int, eyes: float) -> Head:
    return build_head(derive_seed(seed, "person"), 0, *_canvas(seed, eyes))


def _grey_levels(texture: np.ndarray) -> np.ndarray:
    """Return premultiplied linear light (h, w, 4), 0-1, as premultiplied grey levels 0-255 with opacity 0-1."""
    alpha = texture[..., 3:]
    colour = np.clip(texture[..., :3] / np.maximum(alpha, 1e-3), 0, 1)
    developed = np.power(colour, np.float32(1 / GAMMA)) * np.float32(255)
    return np.ascontiguousarray(np.concatenate([developed * alpha, alpha], axis=-1), dtype=np.float32)


def _read(texture: np.ndarray, material: np.ndarray, margin: float) -> np.ndarray:
    return sample(texture, (material + np.float32(margin)) * np.float32(OVERSAMPLING), LANCZOS)


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


@lru_cache(maxsize=2)
def _noise_pool(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(derive_seed(0, "grain"))
    return rng.standard_normal((3, height + NOISE_SPARE, width + NOISE_SPARE, 3), dtype=np.float32)


@lru_cache(maxsize=8)
def _noise_curve(noise: float) -> np.ndarray:
    levels_ = np.arange(256, dtype=np.float32)
    return np.asarray(noise * np.sqrt(READ_SHARE + (1 - READ_SHARE) * levels_ / MID_GREY), dtype=np.float32)
