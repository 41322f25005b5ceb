"""Reading a stretch out of the middle of a video: its frames listed by their time stamps, then found by seeking.

A long video is analysed in parts, and a part must not cost the decoding of all that lies before it. The listing reads
packets and decodes nothing. Where packets carry no time stamps (raw streams, some AVI files) the frames are decoded
once to be counted, and a part is reached from the start.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.video import VideoInfo, iterate, missing_tail, opened, pictures, probe, upright
from mer.stages.frames.stage import timestamps

LOOKS = 3  # pictures that are asked whether they are interlaced


@dataclass(frozen=True)
class Listing:
    """The frames that a video says it holds, in order of presentation.

    Args:
        path: of the video.
        info: what its header says.
        seconds: (N,) float64 time of every frame from the first one.
        stamps: time stamps of the frames in units of the stream; empty where it has none.
        missing: how many frames the header promises beyond those listed.
        interlaced: its first pictures say that their two fields were filmed one after the other.
    """

    path: Path
    info: VideoInfo
    seconds: np.ndarray
    stamps: tuple[int, ...]
    missing: int
    interlaced: bool = False


def list_frames(path: Path) -> Listing:
    """Return the frames of a video.

    Raises:
        MediaError: the file is missing, empty, holds no video, or none of it can be decoded.
    """
    info = probe(path)
    stamps, base = _stamps(path)
    if stamps:
        seconds = np.array([float((stamp - stamps[0]) * base) for stamp in stamps])
        missing = missing_tail(info, len(stamps), float(seconds[-1]))
        return Listing(path, info, seconds, stamps, missing, _interlaced(path))
    _, seconds, outcome = timestamps(path)
    return Listing(path, info, seconds - seconds[0], (), outcome.lost)


def _interlaced(path: Path) -> bool:
    with opened(path) as (container, stream):
        first = islice((frame for frame, _ in pictures(container, stream) if frame is not None), LOOKS)
        return any(frame.interlaced_frame for frame in first)


def _stamps(path: Path) -> tuple[tuple[int, ...], Any]:
    """Return the distinct time stamps of all frames, none where a packet has none, and their unit in seconds."""
    import av

    stamps: list[int | None] = []
    with opened(path) as (container, stream):
        # A file cut short ends with an error; what lies before it is listed.
        with suppress(av.error.FFmpegError):
            stamps.extend(packet.pts for packet in container.demux(stream) if packet.size and not packet.is_discard)
        known = [stamp for stamp in stamps if stamp is not None]
        return (tuple(sorted(set(known))) if len(known) == len(stamps) else ()), stream.time_base


def frames_at(listing: Listing, wanted: np.ndarray, longest: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (index, (H, W, 3) uint8 RGB upright) of the wanted frames that can be decoded, each once, in order.

    Args:
        listing: of the video.
        wanted: (K,) ascending indices.
        longest: larger pictures are reduced to this longer side, pixels.

    Raises:
        MediaError: the file is gone, or a picture changes its size.
    """
    reader = _sought(listing, wanted, longest) if listing.stamps else _counted(listing, longest)
    pending = set(wanted.tolist())
    last = max(pending, default=-1)
    for index, image in reader:
        if index in pending:
            pending.remove(index)
            yield index, image
        if index >= last:
            return


def _sought(listing: Listing, wanted: np.ndarray, longest: int) -> Iterator[tuple[int, np.ndarray]]:
    first = int(wanted[0])
    begun = False
    for place, image in _from(listing, first, longest, seek=first > 0):
        # Some containers (MPEG program streams) are found only behind the place that was sought.
        if not begun and place > first > 0:
            break
        begun = True
        yield place, image
    if not begun:
        yield from _from(listing, first, longest, seek=False)


def _from(listing: Listing, first: int, longest: int, seek: bool) -> Iterator[tuple[int, np.ndarray]]:
    import av

    with opened(listing.path) as (container, stream):
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 1
        if seek:
            try:
                container.seek(listing.stamps[first], stream=stream, backward=True)
            except av.error.FFmpegError:
                return  # An index that leads nowhere: what is wanted is reached from the start.
        for frame, _ in pictures(container, stream):
            if frame is None or frame.pts is None:
                continue
            place = bisect_left(listing.stamps, frame.pts)
            if first <= place < len(listing.stamps) and listing.stamps[place] == frame.pts:
                image = upright(frame, listing.info, listing.path, longest, listing.interlaced)
                yield place, reduced(image, longest)


def _counted(listing: Listing, longest: int) -> Iterator[tuple[int, np.ndarray]]:
    for place, (_, _, image) in enumerate(iterate(listing.path)):
        yield place, reduced(image, longest)


def reduced(image: np.ndarray, longest: int) -> np.ndarray:
    """Return an image (H, W, 3) uint8 whose longer side is at most `longest` pixels, averaged where it is reduced."""
    import cv2

    share = longest / max(image.shape[:2])
    return image if share >= 1 else cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
