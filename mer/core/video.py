"""Reading videos: upright RGB frames in order with their true times, and an account of what was lost.

A damaged file is read as far as it goes. What could not be decoded is counted and reported by the `Outcome`
of the reader, never passed over in silence: a lost frame keeps its place in the numbering, so that frame
numbers of an annotation stay valid behind the damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.errors import MediaError
from mer.core.video_length import duration, promised_frames

MAX_PIXELS = 100_000_000
# Demuxers that read one file of media. Others (concat, hls, dash, sdp) read lists, which may name any file or address.
_MEDIA = (
    "mov", "matroska", "avi", "mpeg", "mpegts", "mpegvideo", "m4v", "h264", "hevc", "mjpeg", "asf", "flv", "ogg", "gif",
    "apng", "mxf", "dv", "ivf", "nut", "rm", "wav", "mp3", "aac", "flac",
)  # fmt: skip
#: Options with which FFmpeg opens a file and never another.
ALONE = {"format_whitelist": ",".join(_MEDIA), "protocol_whitelist": "file"}
#: Pixels wider, or narrower, than this are a damaged header.
ODDEST_PIXELS = 4


@dataclass(frozen=True)
class VideoInfo:
    """What a video's header says. Size is that of the upright picture in square pixels.

    `rotation` is counter-clockwise in degrees as stored by the camera (0, 90, 180, 270), already applied to
    the size, as is `aspect`, the width of a stored pixel in heights. `n_frames` (those that are shown) and `duration`
    (seconds) are None where the container does not tell.
    """

    fps: float
    width: int
    height: int
    rotation: int
    n_frames: int | None
    duration: float | None
    aspect: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What became of a video: frames decoded, frames lost, and why ('' when nothing was lost)."""

    decoded: int
    lost: int
    reason: str = ""


def probe(path: str | Path) -> VideoInfo:
    """Return what the header and the first picture say; at most a few frames are decoded.

    Raises:
        MediaError: the file is missing, empty, holds no video, or none of it can be decoded.
    """
    with opened(path) as (container, stream):
        first, _ = next(pictures(container, stream), (None, 0))
        if first is None:
            raise MediaError(path, "no picture can be decoded", "a readable video", "copy the file again")
        return _info(path, container, stream, first)


def iterate(path: str | Path, threads: int = 1) -> VideoReader:
    """Return a reader of `path`: iterate over it, then look at its `outcome`. Raises as `probe`, on the first frame."""
    return VideoReader(path, threads)


class VideoReader:
    """Iterator over (index, seconds, (H, W, 3) uint8 RGB upright); one decoded frame is held at a time.

    `index` is the frame's place in presentation order with lost frames counted; `seconds` is the time stamp
    from the file, from the start of the stream, so variable frame rates keep their true times.

    Attributes:
        outcome: None until the iteration ends, then the `Outcome`.

    Raises:
        MediaError: as `probe`, or a picture changes its size.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        self.path = Path(path)
        self.outcome: Outcome | None = None
        self._frames = self._run(threads)

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        return self._frames

    def __next__(self) -> tuple[int, float, np.ndarray]:
        return next(self._frames)

    def close(self) -> None:
        """Release the file before the iteration has ended."""
        self._frames.close()

    def _run(self, threads: int) -> Any:
        with opened(self.path) as (container, stream):
            stream.codec_context.thread_count = max(1, threads)
            stream.thread_type = "AUTO"
            info, decoded, lost, last = None, 0, 0, 0.0
            for frame, broken in pictures(container, stream):
                lost += broken
                if frame is None:
                    continue
                info = info or _info(self.path, container, stream, frame)
                last = _seconds(frame, stream, decoded + lost, info.fps)
                yield decoded + lost, last, upright(frame, info, self.path)
                decoded += 1
            if info is None:
                raise MediaError(self.path, "no picture can be decoded", "a readable video", "copy the file again")
            tail = missing_tail(info, decoded + lost, last)
            self.outcome = Outcome(decoded, lost + tail, _reason(lost, tail))


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[Any, Any]]:
    """Yield the container of a video and its video stream, of PyAV.

    Raises:
        MediaError: the file is missing, empty, no video, or declares more than `MAX_PIXELS`.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise MediaError(path, "file not found", "a video file")
    if path.stat().st_size == 0:
        raise MediaError(path, "empty file", "a video file", "copy the file again")
    try:
        container = av.open(str(path), options=ALONE)
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(path, f"cannot be opened ({reason})", "a whole video file", "copy the file again") from None
    with container:
        # Cover pictures of audio files are video streams too.
        streams = [s for s in container.streams.video if s.codec_context is not None and not s.disposition & 0x400]
        if not streams:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
            raise MediaError(path, f"no video stream (streams: {kinds})", "a video", "check the file")
        context = streams[0].codec_context
        if context.width * context.height * max(1, aspect_of(streams[0])) > MAX_PIXELS:
            found = f"declares {context.width} x {context.height} pixels"
            raise MediaError(path, found, f"at most {MAX_PIXELS} pixels", "re-encode the video")
        yield container, streams[0]


def upright(frame: Any, info: VideoInfo, path: Path, longest: int | None = None, field: bool = False) -> np.ndarray:
    """Return a decoded frame as (H, W, 3) uint8 RGB, turned, in square pixels, its longer side reduced to `longest`.

    With `field`, the upper field alone is used and nothing is reduced.

    Raises:
        MediaError: it is not of the size that `info` has.
    """
    across = round(frame.width * info.aspect)
    width, height = (frame.height, across) if info.rotation % 180 else (across, frame.height)
    if (width, height) != (info.width, info.height):
        found = f"a picture of {width} x {height} pixels"
        raise MediaError(path, found, f"{info.width} x {info.height} throughout", "re-encode the video")
    share = (longest or max(width, height)) / max(width, height)
    less: dict[str, Any] = {}
    if share < 1 and not field:
        # Even sides: chroma of most videos has half the resolution.
        less = {"width": 2 * round(across * share / 2), "height": 2 * round(frame.height * share / 2)}
        less["interpolation"] = "AREA"
    elif across != frame.width:
        less = {"width": across, "height": frame.height, "interpolation": "BICUBIC"}
    image = frame.to_ndarray(format="rgb24", **less)
    return np.ascontiguousarray(np.rot90(one_field(image) if field else image, info.rotation // 90))


def one_field(image: np.ndarray) -> np.ndarray:
    """Return an interlaced picture (H, W, 3) uint8 from its upper field alone, its lines interpolated.

    The lower field was filmed at another time; beside each other they comb whatever moves.
    """
    import cv2

    height, width = image.shape[:2]
    return cv2.resize(image[::2], (width, height), interpolation=cv2.INTER_LINEAR)


def pictures(container: Any, stream: Any) -> Iterator[tuple[Any, int]]:
    """Yield (frame or None, frames lost just before it) until the stream ends or breaks."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            return  # the container is cut here; what is missing shows in the count
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            yield None, int(packet.size > 0)
            continue
        for frame in frames:
            if frame.is_corrupt:
                yield None, 1
            else:
                yield frame, 0


def _info(path: str | Path, container: Any, stream: Any, frame: Any) -> VideoInfo:
    rotation = round(frame.rotation / 90) * 90 % 360
    aspect = aspect_of(stream)
    across = round(frame.width * aspect)
    width, height = (frame.height, across) if rotation % 180 else (across, frame.height)
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return VideoInfo(
        fps=float(rate) if rate else 0.0,
        width=width,
        height=height,
        rotation=rotation,
        n_frames=promised_frames(path, stream),
        duration=duration(container, stream),
        aspect=aspect,
    )


def aspect_of(stream: Any) -> float:
    """Return the width of a stored pixel in heights, 1 where the header tells none or one that cannot be."""
    told = stream.sample_aspect_ratio
    known = bool(told) and 1 / ODDEST_PIXELS <= told <= ODDEST_PIXELS
    return float(told) if known else 1.0


def _seconds(frame: Any, stream: Any, index: int, fps: float) -> float:
    if frame.pts is None:
        return index / fps if fps else float(index)
    return float((frame.pts - (stream.start_time or 0)) * frame.time_base)


def missing_tail(info: VideoInfo, seen: int, last: float) -> int:
    """Return how many frames the header promises behind those seen, the last of them at `last` seconds."""
    if info.n_frames is not None:
        return max(0, info.n_frames - seen)
    if info.duration is None or not info.fps:
        return 0
    # A duration is rounded and may count the last frame's own length: less than two frames say nothing.
    short = (info.duration - last) * info.fps
    return int(short) - 1 if short >= 2.5 else 0


def _reason(lost: int, tail: int) -> str:
    parts = []
    if lost:
        parts.append(f"{lost} damaged frames inside")
    if tail:
        parts.append(f"{tail} frames missing at the end")
    return "; ".join(parts)
