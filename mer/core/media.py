"""Opening the frames that a `frames` product lists, whatever the owner's medium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mer.core.container import Clip
from mer.core.errors import MediaError
from mer.core.images import read_image
from mer.core.video import iterate


def open_frames(clip: Clip, root: str | Path, start: int = 0, threads: int = 1) -> Iterator[np.ndarray]:
    """Yield the frames of a clip of the `frames` product as (H, W, 3) uint8 RGB, in order, one at a time.

    Args:
        clip: a clip with `numbers`, and `files` where its attribute `media_kind` is 'frames'.
        root: the dataset's folder.
        start: position in the clip of the first frame wanted.
        threads: decoding threads of a video.

    Raises:
        MediaError: a file cannot be decoded, a path leaves `root`, or a listed frame is not in the video.
    """
    root = Path(root)
    if clip.attributes.get("media_kind", "frames") == "frames":
        for name in clip.read("files")[start:]:
            yield read_image(inside(root, name))
        return
    yield from _video_frames(inside(root, str(clip.attributes["media_path"])), clip.read("numbers")[start:], threads)


def inside(root: Path, name: str) -> Path:
    """Return `root / name`; raises `MediaError` when that is outside `root`."""
    path = root / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise MediaError(name, "leaves the dataset's folder", f"a path inside {root}")
    return path


def _video_frames(path: Path, numbers: np.ndarray, threads: int) -> Iterator[np.ndarray]:
    wanted = iter(int(n) for n in numbers)
    number = next(wanted, None)
    reader = iterate(path, threads)
    for index, _, image in reader:
        if index == number:
            yield image
            number = next(wanted, None)
        if number is None:
            reader.close()
            return
    if number is not None:
        where, expected = f"{path} frame {number}", "the video as it was when listed"
        raise MediaError(where, "cannot be decoded", expected, "run the frames stage again")
