"""From a head and its state to a frame without noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mer.simulate.action_units import ACTION_UNITS, Bump, UnitFields
from mer.simulate.exact import bilinear
from mer.simulate.geometry import Deformation, frame_window, inverse_map
from mer.simulate.head import OVERSAMPLING, Head
from mer.simulate.lids import Lids
from mer.simulate.sampling import LANCZOS, sample

WINDOW_MARGIN = 4


class Renderer:
    """Renders one person.

    The texture is sampled by Lanczos kernels: OpenCV rounds positions to 1/32 texel, 1/64 px of the frame, and its
    cubic kernel (a = -0.75) does not reproduce a ramp, which biases what a flow estimator sees by 0.017 px
    (median); Lanczos leaves 0.004 px.

    Args:
        head: what `mer.simulate.head.build_head` returns.
        muscles: the bumps of each unit of this person.
    """

    def __init__(self, head: Head, muscles: Mapping[int, tuple[Bump, ...]] = ACTION_UNITS) -> None:
        self.head = head
        self.fields = UnitFields(head.landmarks, muscles)
        self.lids = Lids(head.landmarks)
        self.height, self.width = head.backdrop.shape[:2]
        self._dressed = np.flatnonzero(head.garment[..., 3].any(axis=1))

    def material(self, state: Deformation) -> np.ndarray:
        """Return the material point (H, W, 2) float32 of every pixel, as if it showed the head."""
        return inverse_map(self.fields, state, self.width, self.height)

    def frame(self, state: Deformation) -> np.ndarray:
        """Return the frame (H, W, 3) float32 RGB in linear light, 0-1, without noise.

        Raises:
            MediaError: the displacement folds the skin over itself.
        """
        material = self.material(state)
        frame = self.head.backdrop.copy()
        window = frame_window(state.pose, self.head.extent, self.width, self.height, WINDOW_MARGIN)
        layer = self._sample(material[window], self.head.texture)
        frame[window] = frame[window] * (1 - layer[..., 3:]) + layer[..., :3]
        if state.closure > 0:
            self._blink(frame, material, state)
        if self._dressed.size:
            rows = slice(self._dressed[0], self._dressed[-1] + 1)
            front = self.head.garment[rows]
            frame[rows] = frame[rows] * (1 - front[..., 3:]) + front[..., :3]
        return np.clip(frame, 0, 1, out=frame)

    def opacity(self, material: np.ndarray) -> np.ndarray:
        """Return the head's opacity (H, W) float32 at material points (H, W, 2)."""
        where = (material + np.float32(self.head.margin)) * np.float32(OVERSAMPLING)
        return bilinear(self.head.texture[..., 3], where[..., 0], where[..., 1])

    def _blink(self, frame: np.ndarray, material: np.ndarray, state: Deformation) -> None:
        for box in self.lids.boxes():
            window = frame_window(state.pose, tuple(box), self.width, self.height, WINDOW_MARGIN)
            if material[window].size:
                lid, cover = self.lids.close(material[window], state.closure)
                layer = self._sample(lid, self.head.closed)
                closed = self.head.backdrop[window] * (1 - layer[..., 3:]) + layer[..., :3]
                frame[window] += cover[..., None] * (closed - frame[window])

    def _sample(self, material: np.ndarray, texture: np.ndarray) -> np.ndarray:
        where = (material + np.float32(self.head.margin)) * np.float32(OVERSAMPLING)
        return sample(texture, where, LANCZOS)
