"""A small copy of a film for the page's player: every frame of the grid at its own time, easy to seek in."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from mer.analysis.footage import Footage
from mer.analysis.results import COPY
from mer.core.errors import MediaError, StorageError

LONGEST = 640  # pixels of the longer side
FASTER = ((60.0, 480), (120.0, 320))  # above so many frames per second, so many: it is to cost less than the analysis
EMBEDDED = 12 << 20  # bytes up to which the copy lies within the page
KEY_SECONDS = 0.5  # between the frames at which a player can start to decode
QUALITY = "27"  # constant rate factor of H.264
GREY = 128


@dataclass(frozen=True)
class Copy:
    """A film as a page shows it: `source` is a `data:` address, or the name of the file beside the page."""

    source: str
    width: int
    height: int
    beside: bool


def write_copy(footage: Footage, folder: Path, embedded: int = EMBEDDED) -> Copy:
    """Write `film.mp4` into a folder, H.264; return what a page shows of it.

    Frame k of the grid is shown from k / fps on; one that was lost is grey. A copy of at most `embedded` bytes becomes
    a `data:` address, and its file is removed.

    Raises:
        MediaError: no frame can be decoded, or this PyAV has no encoder for H.264.
        StorageError: the disk is full.
    """
    path = folder / COPY
    temporary = folder / f".{COPY}"
    try:
        size = _encode(footage, temporary)
        data = temporary.read_bytes() if temporary.stat().st_size <= embedded else b""
        if not data:
            temporary.replace(path)
    except OSError as error:
        raise StorageError(path, error.strerror or "cannot be written", "room on the disk") from None
    finally:
        temporary.unlink(missing_ok=True)
    if not data:
        return Copy(COPY, *size, beside=True)
    path.unlink(missing_ok=True)
    return Copy(f"data:video/mp4;base64,{base64.b64encode(data).decode()}", *size, beside=False)


def copy_size(footage: Footage) -> tuple[int, int]:
    """Return (width, height) of the copy, even numbers: H.264 stores colour at half the resolution."""
    longest = next((side for rate, side in reversed(FASTER) if footage.fps > rate), LONGEST)
    width, height = footage.size
    scale = min(1.0, longest / max(width, height))
    return max(2, 2 * round(scale * width / 2)), max(2, 2 * round(scale * height / 2))


def _encode(footage: Footage, path: Path) -> tuple[int, int]:
    import av
    from av.video.stream import VideoStream

    rate = Fraction(footage.fps).limit_denominator(1001)
    width, height = copy_size(footage)
    options = {"preset": "ultrafast", "crf": QUALITY, "bf": "0", "g": str(max(1, round(KEY_SECONDS * footage.fps)))}
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as out:
            stream = out.add_stream("libx264", rate=rate, options=options)
            if not isinstance(stream, VideoStream):
                raise MediaError(footage.path, "no video stream can be written")
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for picture in _pictures(footage, (width, height)):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise MediaError(footage.path, f"no copy for the page: {error.strerror or error}", "H.264 in PyAV",
                         "add --no-video") from None  # fmt: skip
    return width, height


def _pictures(footage: Footage, size: tuple[int, int]) -> Iterator[np.ndarray]:
    import cv2

    small = replace(footage, longest=min(footage.longest, max(size)))
    for picture in small.frames(0, len(footage)):
        if picture is None:
            yield np.full((size[1], size[0], 3), GREY, np.uint8)
        elif picture.shape[1::-1] == size:
            yield np.ascontiguousarray(picture)
        else:
            yield np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
