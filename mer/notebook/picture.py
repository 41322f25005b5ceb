"""A picture that a notebook shows by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer.core.errors import ContainerError
from mer.core.images import write_image
from mer.notebook.clip import RunClip


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A picture, shown by a notebook as it is.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
    """

    pixels: np.ndarray

    def _repr_png_(self) -> bytes:
        import cv2

        return bytes(cv2.imencode(".png", np.ascontiguousarray(self.pixels[..., ::-1]))[1])

    def save(self, path: str | Path) -> Path:
        """Write it as a PNG and return the path; raises `StorageError` when the disk is full."""
        write_image(path, self.pixels)
        return Path(path)

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        return f"<picture of {width} x {height} pixels>"


def draw(clip: RunClip, only: str | Sequence[str] = (), width: int = 1800) -> Picture:
    """Draw the products of a clip, each below a line that says how it was made: what `mer show` draws.

    Args:
        clip: of a run.
        only: patterns of the products to draw, such as `"rois"` or `"flow/*"`; all that were made when empty.
        width: of the picture in pixels, about.

    Raises:
        MerError: no product of the clip was made yet.
        ContainerError: what is given is no clip, no product matches, or the clip was excluded from all of them.

    >>> mer.draw(run.clip("sub01/EP02_01f"), only="flow/apex", width=700)
    <picture of ... pixels>
    """
    from mer.report.show_clip import show_clip

    if not isinstance(clip, RunClip):
        raise ContainerError("mer.draw", f"is given {type(clip).__name__}", "a clip of a run", "such as run.clip(name)")
    if not any(path.exists() for path in clip.paths.values()):
        raise clip.missing(list(clip.paths.values())[-1])
    patterns = [only] if isinstance(only, str) else only
    return Picture(show_clip(clip.paths, clip.sample_id, clip.sources, patterns, width))
