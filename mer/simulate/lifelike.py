"""Life-like recordings of simulated people: all that real footage has besides micro-expressions, with exact truth.

    recording = lifelike(seed=3, seconds=60, fps=30, size=(480, 360), habits=Habits(micro=6, talk=0.5))
    for frame in recording.frames(): ...        # (H, W, 3) uint8 RGB
    recording.events                            # what happens when
    recording.landmarks()                       # (T, 68, 2) float64, exact

Frames are rendered one by one from the plan: any frame alone is the same bytes as in its turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache

import cv2
import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate import timeline
from mer.simulate.behaviour import draw_tracks, levels
from mer.simulate.camera import GAMMA, MID_GREY, READ_SHARE, flicker_gain
from mer.simulate.content import SHOWN, draw_play
from mer.simulate.face_motion import BESIDE, Skin
from mer.simulate.habits import EXPRESSIONS, Event, Habits, draw_events
from mer.simulate.scene import STILL, Look, Scene
from mer.simulate.solid import Pose

EYES = (40.0, 120.0)  # pixels between the eyes
MOST_OF_HEIGHT = 0.25  # the distance between the eyes, of the height of a frame
BODY_FOLLOWS = 0.75  # of the head's shifts
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
        self.scene = Scene(seed, size, eyes)
        self.events = [self._with_units(event) for event in self.events]

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3) uint8 RGB."""
        for number in range(start, self.count if stop is None else stop):
            yield self.frame(number)

    def frame(self, number: int) -> np.ndarray:
        """Return one frame (H, W, 3) uint8 RGB as the camera sees it."""
        return self._expose(self.clean(number), number)

    def clean(self, number: int) -> np.ndarray:
        """Return one frame (H, W, 3) float32 in grey levels, without flicker, noise and compression."""
        return self.scene.draw(self.look(number))

    def look(self, number: int) -> Look:
        """Return the person in a frame."""
        gaze = self.tracks.gaze[number] * self.eyes
        closure = float(self.tracks.closure[number])
        return Look(self.pose(number), self.skin(number), closure, (float(gaze[0]), float(gaze[1])))

    def pose(self, number: int) -> Pose:
        """Return where head, body and camera are in a frame."""
        yaw, pitch, roll, x, y, scale = self.tracks.head[number]
        width = self.size[0]
        gone = self.tracks.away[number] * (width / 2 + 2.2 * self.eyes + abs(self.scene.solid.anchor[0] - width / 2))
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
        return Skin({k: v for k, v in total.items() if v != 0}, float(self.tracks.jaw[number]) * self.scene.motion.eyes)

    def landmarks(self) -> np.ndarray:
        """Return the 68 landmarks (T, 68, 2) float64 in frame pixels, exact, whether or not they are seen."""
        return np.stack([self.landmarks_at(number) for number in range(self.count)])

    def landmarks_at(self, number: int) -> np.ndarray:
        """Return the landmarks (68, 2) of one frame; those of the upper lids follow a blink."""
        return self.scene.landmarks(self.look(number))

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
        material, shows = self.scene.material(self.look(start))
        flow = np.full((*material.shape[:2], 2), np.nan, np.float32)
        points = material[shows].astype(np.float64)
        y, x = np.nonzero(shows)
        moved = self.scene.track(self.look(end), points)
        flow[shows] = moved - np.column_stack([x, y])
        return flow

    def _with_units(self, event: Event) -> Event:
        if event.kind not in EXPRESSIONS:
            return event
        rng = np.random.default_rng(derive_seed(event.seed, "units"))
        choices = SHOWN[event.emotion]
        play = draw_play(choices[int(rng.integers(len(choices)))], 1.0, rng)
        units, amplitude = self.scene.motion.scaled(play, event.amplitude)
        return Event(
            event.kind, event.first, event.last, event.apex, event.seed, event.emotion, round(amplitude, 4), units
        )

    def _camera(self, number: int) -> np.ndarray:
        x, y, roll, zoom = self.tracks.camera[number]
        if x == y == roll == 0 and zoom == 1:
            return STILL
        middle = (np.array(self.size) - 1) / 2
        linear = zoom * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        return np.column_stack([linear, middle + np.array([x, y]) * self.eyes - linear @ middle])

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


@lru_cache(maxsize=2)
def _noise_pool(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(derive_seed(0, "grain"))
    return rng.standard_normal((3, height + NOISE_SPARE, width + NOISE_SPARE, 3), dtype=np.float32)


@lru_cache(maxsize=8)
def _noise_curve(noise: float) -> np.ndarray:
    levels_ = np.arange(256, dtype=np.float32)
    return np.asarray(noise * np.sqrt(READ_SHARE + (1 - READ_SHARE) * levels_ / MID_GREY), dtype=np.float32)
