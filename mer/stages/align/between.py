"""The face between the frames in which it was placed: a fast film is followed at the rate of a head.

A head moves with a few hertz, and at 50 places a second a cubic through four of them (Catmull and Rom, 1974) misses its
path by less than the registration does. Frames beside one without a face have no face either.
"""

from __future__ import annotations

import numpy as np

from mer.core.geometry import apply, from_parameters, invert, parameters
from mer.stages.align.finish import Part
from mer.stages.align.track import face_box


class Between:
    """Feed the parts of the frames that were placed, in order; parts of all frames come out.

    Args:
        every: frames from one that was placed to the next.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._rows = np.zeros((0, 4 + 136 + 2))
        self._first = True

    def feed(self, part: Part) -> Part:
        """Return the part of all frames that `part` completes, N x `every` of them in the long run; it may be empty."""
        landmarks = apply(part.transform, part.source).reshape(len(part), -1)
        back = parameters(invert(part.transform))
        fresh = np.concatenate([back, landmarks, part.quality[:, None], part.detected[:, None]], axis=1)
        if self._first and len(fresh):
            # What lies before the first frame is a mirror of what comes after it.
            self._rows, self._first = 2 * fresh[:1] - fresh[1:2] if len(fresh) > 1 else fresh[:1], False
        self._rows = np.concatenate([self._rows, fresh])
        steps = max(len(self._rows) - 3, 0)
        made = self._made(self._rows, steps)
        self._rows = self._rows[steps:]
        return made

    def end(self, left: int) -> Part:
        """Return the part of the last `left` frames."""
        rows = np.concatenate([self._rows, np.repeat(self._rows[-1:], 3, axis=0)])
        return self._made(rows, -(-left // self.every), left)

    def _made(self, rows: np.ndarray, steps: int, count: int | None = None) -> Part:
        """Return the frames from row 1 on: `steps` times `every`, or the first `count` of them."""
        share = np.tile(np.arange(self.every) / self.every, steps)[:count]
        at = 1 + np.repeat(np.arange(steps), self.every)[:count]
        weights = 0.5 * np.stack(
            [
                -share + 2 * share**2 - share**3,
                2 - 5 * share**2 + 3 * share**3,
                share + 4 * share**2 - 3 * share**3,
                -(share**2) + share**3,
            ]
        )
        values = sum(weight[:, None] * rows[at + k - 1, :140] for k, weight in enumerate(weights))
        values = np.asarray(values).reshape(-1, 140)
        transform = invert(from_parameters(values[:, :4]))
        landmarks = values[:, 4:].reshape(-1, 68, 2)
        placed = share == 0
        quality = np.where(placed, rows[at, 140], np.minimum(rows[at, 140], rows[at + 1, 140]))
        return Part(
            transform=transform,
            source=apply(invert(transform), landmarks),
            box=np.array([face_box(m) for m in transform], np.float32).reshape(-1, 4),
            quality=quality.astype(np.float32),
            detected=placed & (rows[at, 141] > 0),
        )
