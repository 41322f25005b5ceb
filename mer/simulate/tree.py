"""The files that the frames of a recording go to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mer.simulate.params import SimulateParams
from mer.simulate.plan import Recording

Sensor = Literal["colour", "grey", "infrared"]
# (subject, clip) as the reader lists them -> files relative to the root.
Listing = dict[tuple[str, str], list[str]]


@dataclass(frozen=True)
class Picture:
    """One file that a frame goes to: an image, or a video that gets it as its next picture.

    Args:
        key: the clip in the reader's listing.
        path: relative to the root of the database; .jpg, .bmp, .png or .mp4.
        view: the image tree that the file belongs to.
        cropped: whether the file shows the face window only.
        depth: whether it shows distance in millimetres instead (16 bit); the reader lists no such file.
    """

    key: tuple[str, str]
    path: str
    view: str = ""
    cropped: bool = False
    depth: bool = False


@dataclass(frozen=True)
class Tree:
    """Where a layout puts its frames.

    Args:
        pictures: the files that one frame number of a recording goes to; from it follow the frames that are rendered,
            the files on disk and the listing that the reader will find.
        window: side of the face window of cropped pictures, as a share of the frame's height.
        whole_truth: whether the truth holds every recorded frame of a clip, not just those from onset to offset.
    """

    pictures: Callable[[SimulateParams, Recording, int], Iterable[Picture]]
    window: float = 0.6
    whole_truth: bool = False

    def listings(self, params: SimulateParams, recordings: Sequence[Recording]) -> dict[str, Listing]:
        """Return view -> listing of the files of some recordings, each clip's in the order of a sorted folder."""
        views: dict[str, dict[tuple[str, str], dict[str, None]]] = {}
        for recording in recordings:
            for number in recording.numbers:
                for picture in self.pictures(params, recording, number):
                    if not picture.depth:
                        views.setdefault(picture.view, {}).setdefault(picture.key, {})[picture.path] = None
        return {view: {key: sorted(paths) for key, paths in clips.items()} for view, clips in views.items()}
