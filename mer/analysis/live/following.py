"""Following a face as its pictures come: the crop of a frame is cut before the next frame is there.

The tracker of the align stage looks back only. What it does along time afterwards (the landmarks' filter, the slow
return of the eyes to their place) looks ahead and is left out here, but for the gaps: a frame that was dropped, or
shows no face, repeats the crop before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mer.analysis.footage import HOLE
from mer.core.geometry import apply, compose
from mer.stages.align.finish import to_crop
from mer.stages.align.track import Settings, Tracker
from mer.stages.align.warp import antialias_sigma, crop


@dataclass(frozen=True)
class Seen:
    """One place of the live grid.

    Args:
        crop: (S, S, 3) uint8.
        landmarks: (68, 2) float32 in pixels of the crop.
        transform: (2, 3) float64 picture -> crop.
        quality: 0-1; 0 where the face was not seen in this very frame.
    """

    crop: np.ndarray
    landmarks: np.ndarray
    transform: np.ndarray
    quality: float


class Follower:
    """Feed pictures in order of time; places of a regular grid come out.

    Args:
        params: of the `dlib` method of the align stage.
        fps: places of the grid per second.
    """

    def __init__(self, params: Any, fps: float) -> None:
        self.fps, self.size = fps, params.size
        self._tracker = Tracker(Settings.model_validate({k: getattr(params, k) for k in Settings.model_fields}))
        self._matrix = to_crop(params.size, params.eye_row, params.eye_spread)
        self._sigma: float | None = None
        self._shape: tuple[int, ...] = ()
        self._place = -1
        self._last: Seen | None = None
        self.faces = 0
        self.missing = 0  # places for which no picture came

    def feed(self, seconds: float, picture: np.ndarray) -> list[Seen]:
        """Return the places up to this picture (H, W, 3) uint8; none if its place is taken or no face was seen yet."""
        place = round(seconds * self.fps)
        if place <= self._place:
            return []
        gap = place - self._place - 1
        self._place = place
        before, seen = self._last, self._look(picture)
        if before is None:
            return [] if seen is None else [seen]
        self.missing += gap
        hidden = replace(before, quality=0.0)
        # A picture that was dropped is bridged by the one before it, as long as no movement fits in between.
        return [before if gap <= HOLE * self.fps else hidden] * gap + [seen or hidden]

    @property
    def start(self) -> int:
        """The last place fed."""
        return self._place

    def _look(self, picture: np.ndarray) -> Seen | None:
        import cv2

        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if self._shape and grey.shape != self._shape:
            self._tracker.resized()
        self._shape = grey.shape
        fit = self._tracker.step(grey)
        self.faces = max(self.faces, fit.faces)
        if fit.matrix is None or fit.points is None:
            return None
        transform = compose(self._matrix, fit.matrix)
        if self._sigma is None:
            # One blur for all, so that sharpness does not come and go with the distance.
            self._sigma = antialias_sigma(float(np.hypot(*transform[:, 0])))
        points = apply(self._matrix, fit.points).astype(np.float32)
        self._last = Seen(crop(picture, transform, self.size, self._sigma), points, transform, fit.quality)
        return self._last
