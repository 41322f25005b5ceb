"""One recording of one person as a function of continuous time: state, frame, flow, landmarks.

Time is in file numbers. Everything here is exact: no noise, no rounding, no file.
"""

from __future__ import annotations

import cv2
import numpy as np

from mer.core.geometry import apply, invert
from mer.simulate import timeline
from mer.simulate.exact import bilinear
from mer.simulate.geometry import Deformation, forward, pixel_grid
from mer.simulate.head import build_head, frame_scale
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan
from mer.simulate.render import Renderer

EDGE_BAND = 2
MOVING = 0.1


class Take:
    """One recording.

    Args:
        params: the database's parameters.
        clip: its plan.
        renderer: the person's renderer; built when None.
    """

    def __init__(self, params: SimulateParams, clip: ClipPlan, renderer: Renderer | None = None) -> None:
        self.clip = clip
        self.renderer = renderer or Renderer(build_head(params.seed, clip.face, params.width, params.height))
        landmarks = self.renderer.head.landmarks
        scale = frame_scale(params.width, params.height)
        centre = (float(landmarks[30, 0]), float(landmarks[30, 1]))
        self.head_motion = timeline.draw_head_motion(clip.seed, params.drift, scale, centre, clip.fps)
        self.blink = timeline.draw_blink(clip.seed, params.blink, clip.onset, clip.offset, clip.fps)

    def levels(self, time: float) -> np.ndarray:
        """Return the intensity of each of the clip's units (n_units,) at `time`."""
        clip = self.clip
        return timeline.intensities(clip.units, clip.onset, clip.apex, clip.offset, np.asarray(time, dtype=np.float64))

    def closure(self, time: float) -> float:
        """Return how far the lids are closed at `time`, 0 to 1."""
        return float(self.blink.closure(np.asarray(time, dtype=np.float64))) if self.blink else 0.0

    def state(self, time: float, factor: float = 1.0) -> Deformation:
        """Return pose, intensities times `factor`, and lids at `time`."""
        levels = tuple(float(v) for v in factor * self.levels(time))
        return Deformation(self.head_motion.matrix(time), self.clip.units, levels, self.closure(time))

    def frame(self, time: float, factor: float = 1.0) -> np.ndarray:
        """Return the noise-free frame (H, W, 3) float32 in linear light at `time`.

        `factor` scales the facial displacement relative to the onset (where it is 0); the head's pose is kept.

        Raises:
            MediaError: the factor folds the skin over itself.
        """
        return self.renderer.frame(self.state(time, factor))

    def track(self, points: np.ndarray, time: float) -> np.ndarray:
        """Return where material `points` (N, 2) are in the frame at `time`."""
        return forward(self.renderer.fields, self.state(time), points)

    def landmarks(self, time: float) -> np.ndarray:
        """Return the 68 landmarks (68, 2) float64 in frame pixels; those of the upper lids follow a blink."""
        points = self.renderer.lids.closed_landmarks(self.renderer.head.landmarks, self.closure(time))
        return self.track(points, time)

    def rigid_points(self, time: float) -> np.ndarray:
        """Return the points (9, 2) that only the head moves: see `mer.simulate.action_units`."""
        return apply(self.state(time).pose, self.renderer.fields.rigid)

    def flow(self, start: float, end: float) -> np.ndarray:
        """Return the exact flow (H, W, 2) float32 (u right, v down) from the frame at `start` to the one at `end`.

        Defined at every pixel of the first frame: the wall and the clothes are still.
        """
        before, after = self.state(start), self.state(end)
        material = self.renderer.material(before)
        return self._flow(material, after) * self._shows_head(material)[..., None]

    def valid(self, start: float, end: float) -> np.ndarray:
        """Return where (H, W) bool the flow is defined and the point is seen in both frames.

        Left out: a band along the outlines of head and clothes, what is covered or out of frame at `end`, and the
        eyes and lids when they blink at either time.
        """
        before, after = self.state(start), self.state(end)
        material = self.renderer.material(before)
        shows_head, target_head = self._shows_head(material), self._shows_head(self.renderer.material(after))
        moved = pixel_grid(*self._size) + self._flow(material, after) * shows_head[..., None]
        inside = (moved >= 0).all(-1) & (moved[..., 0] <= self._size[0] - 1) & (moved[..., 1] <= self._size[1] - 1)
        landed = bilinear(target_head.astype(np.float32), moved[..., 0], moved[..., 1])
        seen = (np.abs(landed - shows_head) < 0.01) & inside & self._away_from_edges(material)
        if max(before.closure, after.closure) > 0:
            for left, top, right, bottom in self.renderer.lids.boxes():
                x, y = material[..., 0], material[..., 1]
                seen &= ~(shows_head & (x > left) & (x < right) & (y > top) & (y < bottom))
        return seen

    def moving(self, start: float, end: float, threshold: float = MOVING) -> np.ndarray:
        """Return where (H, W) bool, within `valid`, the face moves more than `threshold` pixels beyond its head."""
        before, after = self.state(start), self.state(end)
        material = self.renderer.material(before)
        rigid = apply(after.pose, apply(invert(before.pose), pixel_grid(*self._size)))
        beyond = self._flow(material, after) + pixel_grid(*self._size) - rigid
        return (
            self.valid(start, end) & self._shows_head(material) & (np.hypot(beyond[..., 0], beyond[..., 1]) > threshold)
        )

    @property
    def _size(self) -> tuple[int, int]:
        return self.renderer.width, self.renderer.height

    def _flow(self, material: np.ndarray, after: Deformation) -> np.ndarray:
        moved = forward(self.renderer.fields, after, material.reshape(-1, 2)).reshape(material.shape)
        return (moved - pixel_grid(*self._size)).astype(np.float32)

    def _shows_head(self, material: np.ndarray) -> np.ndarray:
        return (self.renderer.opacity(material) > 0.5) & (self.renderer.head.garment[..., 3] < 0.5)

    def _away_from_edges(self, material: np.ndarray) -> np.ndarray:
        kernel = np.ones((2 * EDGE_BAND + 1, 2 * EDGE_BAND + 1), np.uint8)
        mixed = np.zeros(material.shape[:2], bool)
        for opacity in (self.renderer.opacity(material), self.renderer.head.garment[..., 3]):
            mixed |= (opacity > 0.01) & (opacity < 0.99)
        return cv2.dilate(mixed.astype(np.uint8), kernel) == 0
