"""What the parts of a video know of every frame: quality, doubts, cuts, and where no face is seen."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mer.analysis.parts import AlignedVideo
from mer.core.errors import MediaError


@dataclass
class Track:
    """What is known of every frame of the grid.

    Args:
        quality: (T,) float32 0-1 of the alignment; 0 where no face was found.
        lost: (T,) bool: the picture could not be decoded.
        doubt: (T,) uint8: what alignment remarks on it, bits by `mer.analysis.parts.DOUBTS`.
        cuts: first frames after a cut.
        faces: most faces seen at once, by part.
        failures: (first, last frame, reason) of parts without a result.
    """

    quality: np.ndarray
    lost: np.ndarray
    doubt: np.ndarray
    cuts: list[int] = field(default_factory=list)
    faces: dict[int, int] = field(default_factory=dict)
    failures: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def blind(self) -> np.ndarray:
        """(T,) bool: nothing can be said of this frame."""
        return self.lost | (self.quality <= 0)


def gather_track(video: AlignedVideo) -> Track:
    """Join what the aligned parts know of every frame.

    Raises:
        MediaError: no part shows a face.
    """
    count = len(video.footage)
    track = Track(np.zeros(count, np.float32), np.zeros(count, bool), np.zeros(count, np.uint8))
    for part in video.parts:
        with video.clip(part) as clip:
            if clip is None:
                track.failures.append((part.start, part.own - 1, video.failure(part)))
                continue
            for name in ("quality", "lost", "doubt"):
                getattr(track, name)[part.start : part.own] = clip.read(name)[: part.own - part.start]
            track.cuts += [part.start + int(c) for c in clip.read("cuts") if part.start + c < part.own]
            track.faces[part.number] = int(clip.attributes["faces"])
    if len(track.failures) == len(video.parts):
        seen, remedy = f"no face found: {track.failures[0][2]}", "name a video that shows a face from the front"
        raise MediaError(video.footage.path, seen, "a face in some frame", remedy)
    return track
