"""Frames to image and video files whose bytes depend on the frames alone."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mer.core.atomic import DISK_ERRORS, atomic_path, storage_error
from mer.core.errors import MediaError

# A constant rate factor at which H.264 leaves the motion of a micro-expression in place.
QUALITY = 14


def write_image(path: str | Path, frame: np.ndarray, quality: int) -> None:
    """Write a frame in the format of its extension (.jpg, .bmp, .png).

    Args:
        frame: (H, W, 3) uint8 RGB, (H, W) uint8 for a single-channel file, or (H, W) uint16 (.png).
        quality: that of JPEG, 0 to 100.

    Raises:
        MediaError: the frame cannot be encoded so.
        StorageError: the disk is full or not writable.
    """
    pixels = frame[..., ::-1] if frame.ndim == 3 else frame
    kind = Path(path).suffix.casefold()
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == ".jpg" else []
    done, data = cv2.imencode(kind, np.ascontiguousarray(pixels), settings)
    if not done:
        raise MediaError(path, f"a frame of shape {frame.shape} cannot be encoded", "an 8-bit image")
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())


class VideoFile:
    """An H.264 video being written: `with VideoFile(path, 29.97) as video: video.add(frame)`.

    The file gets its name when it is whole; `quality` is the constant rate factor.
    Odd sizes lose their last row or column, as 4:2:0 colour needs.
    """

    def __init__(self, path: str | Path, fps: float, quality: int = QUALITY) -> None:
        self.path, self.quality = Path(path), quality
        self.rate = Fraction(fps).limit_denominator(1001)
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial.mp4")
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> VideoFile:
        import av

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._partial), "w", options={"fflags": "+bitexact"})
        except OSError as error:
            raise storage_error(self.path, error) from error
        return self

    def add(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3) uint8 RGB; raises `StorageError` when the disk is full."""
        import av

        height, width = (length - length % 2 for length in frame.shape[:2])
        try:
            if self._stream is None:
                self._stream = self._open_stream(width, height)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
            self._container.mux(self._stream.encode(picture))
        except OSError as error:
            raise storage_error(self.path, error) from error

    def _open_stream(self, width: int, height: int) -> Any:
        settings = {"crf": str(self.quality), "preset": "veryfast", "threads": "1", "flags": "+bitexact"}
        # With frames looked ahead, some builds of the encoder give other bytes from one run to the next.
        settings["x264-params"] = "sync-lookahead=0:rc-lookahead=0"
        stream = self._container.add_stream("libx264", rate=self.rate, options=settings)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        return stream

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._stream is not None:
                self._container.mux(self._stream.encode())
            self._container.close()
            if kind is None:
                os.replace(self._partial, self.path)
        except OSError as error:
            if error.errno in DISK_ERRORS:
                raise storage_error(self.path, error) from error
            raise
        finally:
            with suppress(FileNotFoundError):
                self._partial.unlink()
