"""One pass over a clip: every frame is followed, finished blocks come out, and what was odd is noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from mer.core.errors import ClipError
from mer.core.geometry import compose
from mer.stages.align.between import Between
from mer.stages.align.finish import Finisher, Part, Smoothing
from mer.stages.align.flags import Flags, ranges
from mer.stages.align.track import Fit, Settings, Tracker

RESIZED = "size changed"


@dataclass(frozen=True)
class Alignment(Part):
    """The geometry of a whole clip, with what was remarked.

    Args:
        reasons: reason -> indices of the frames it applies to.
        faces: the largest number of faces seen in a frame.
    """

    reasons: dict[str, list[int]]
    faces: int


class Measurement:
    """Iterate over it for the parts of a clip, in order; `faces` and `flags` hold for what has come out.

    Args:
        frames: (H, W, 3) uint8 RGB or (H, W) uint8; one frame is held at a time.
        settings: of the tracker.
        smoothing: along time.
        to_crop: (2, 3) working patch -> crop.
        where: the clip's name in messages.
        every: frames from one in which the face is placed to the next; in between its place is interpolated.

    Raises:
        ClipError: on iteration, when there is no frame, or no face in any frame tried.
    """

    def __init__(
        self,
        frames: Iterable[np.ndarray],
        settings: Settings,
        smoothing: Smoothing,
        to_crop: np.ndarray,
        where: str,
        every: int = 1,
    ) -> None:
        self.faces = self._count = 0
        self.flags = Flags()
        self._frames, self._where, self._to_crop = frames, where, to_crop
        self._tracker, self._finisher = Tracker(settings), Finisher(smoothing)
        self._every = every

    def __iter__(self) -> Iterator[Part]:
        return map(self.placed, self._placed() if self._every == 1 else self._spread())

    def _spread(self) -> Iterator[Part]:
        between, out = Between(self._every), 0
        for part in self._placed():
            whole = between.feed(part)
            out += len(whole)
            yield whole
        yield between.end(self._count - out)

    def _placed(self) -> Iterator[Part]:
        """Yield the geometry of the frames in which the face is placed."""
        tried: list[int] = []
        shape: tuple[int, ...] | None = None
        reasons: tuple[str, ...] = ()
        for index, frame in enumerate(self._frames):
            self._count = index + 1
            if index % self._every:
                self.flags.add(index, reasons)
                continue
            picture = _grey(frame)
            if shape is not None and picture.shape != shape:
                self._tracker.resized()
                self.flags.add(index, (RESIZED,))
            shape = picture.shape
            fit = self._tracker.step(picture)
            self.followed(index, picture, fit)
            reasons = fit.reasons
            self.flags.add(index, reasons)
            self.faces = max(self.faces, fit.faces)
            if fit.tried and not self._finisher.any_face:
                tried.append(index)
            yield from self._finisher.feed(fit)
        if not self._finisher.any_face:
            found = f"no face in the {len(tried)} frames tried of {self._count} (indices {ranges(tried)})"
            remedy = "check the frames or set detector: cnn"
            raise self.error(found, "a frontal face of at least 40 pixels", remedy)
        yield from self._finisher.end()

    def remarks(self) -> dict[str, int | str]:
        """Return the attributes of the product: `faces`, and the frames of every reason as `flag: <reason>`."""
        return {"faces": self.faces, **{f"flag: {name}": frames for name, frames in self.flags.texts().items()}}

    def followed(self, index: int, picture: np.ndarray, fit: Fit) -> None:
        """Look at a picture (H, W) uint8 and its fit, before its part comes out."""

    def error(self, found: str, expected: str, remedy: str) -> ClipError:
        """Return the error that excludes the clip."""
        return ClipError(self._where, found, expected, remedy)

    def placed(self, part: Part) -> Part:
        """Return a part with its transform taken on from the working patch to the crop."""
        return replace(part, transform=compose(np.broadcast_to(self._to_crop, part.transform.shape), part.transform))


def collect(measurement: Measurement) -> Alignment:
    """Join the parts of a clip."""
    parts = list(measurement)
    joined = {one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Part)}
    return Alignment(**joined, reasons=measurement.flags.indices(), faces=measurement.faces)


def _grey(frame: np.ndarray) -> np.ndarray:
    import cv2

    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
