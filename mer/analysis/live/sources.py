"""Where live pictures come from: a camera, or a video file that is still being written.

A source is read by a thread of its own. When whoever takes the pictures is late, the oldest waiting ones are dropped
and counted: a live picture is worth something only while it is new.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any, Protocol

import numpy as np

from mer.analysis.video_seeking import reduced
from mer.core.errors import MediaError
from mer.core.video import ALONE, aspect_of

LONGEST = 640  # pixels of the longer side: a face of a third of it is larger than the crop
WAITING = 15  # pictures that may wait
USUAL = 30.0  # frames per second of a camera that does not tell
WARM_UP = 1.0  # seconds in which a camera sets its light and its rate is measured
PATIENCE = 3.0  # seconds without growth after which a file counts as finished
LOOK = 0.05  # seconds between two looks at a file that has no more yet


class FrameSource(Protocol):
    """Pictures as they come.

    Attributes:
        name: for people.
        fps: frames per second that it gives.
        dropped: pictures that nobody took in time.
    """

    name: str
    fps: float
    dropped: int

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds from the first one, (H, W, 3) uint8 RGB) until the source ends."""

    def close(self) -> None:
        """Let the camera or the file go."""


class _Read:
    """A source that a thread reads, `WAITING` pictures ahead at most."""

    def __init__(self, name: str, fps: float) -> None:
        self.name, self.fps, self.dropped = name, fps, 0
        self._waiting: deque[tuple[float, np.ndarray]] = deque()
        self._changed, self._stop = Condition(), Event()
        self._ended, self._failure = False, ""
        self._thread = Thread(target=self._fill, daemon=True)

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds, picture); raises `MediaError` when the source broke."""
        self._thread.start()
        while True:
            with self._changed:
                # A wait without an end cannot be interrupted everywhere.
                while not self._waiting and not self._ended:
                    self._changed.wait(0.2)
                if not self._waiting:
                    break
                one = self._waiting.popleft()
            yield one
        if self._failure:
            raise MediaError(self.name, self._failure, "a source that goes on giving pictures")

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()

    def _fill(self) -> None:
        try:
            for one in self._raw():
                if self._stop.is_set():
                    break
                with self._changed:
                    if len(self._waiting) == WAITING:
                        self._waiting.popleft()
                        self.dropped += 1
                    self._waiting.append(one)
                    self._changed.notify()
        except MediaError as error:
            self._failure = error.found
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _raw(self) -> Iterator[tuple[float, np.ndarray]]:
        raise NotImplementedError


class Camera(_Read):
    """A camera of this machine.

    Raises:
        MediaError: there is no such camera, or it gives no picture.
    """

    def __init__(self, number: int) -> None:
        self._device = _opened(number)
        super().__init__(f"camera {number}", _measured(self._device, number))

    def _raw(self) -> Iterator[tuple[float, np.ndarray]]:
        start = time.monotonic()
        while not self._stop.is_set():
            fine, picture = self._device.read()
            if not fine:
                raise MediaError(self.name, "gives no more pictures")
            yield time.monotonic() - start, reduced(np.ascontiguousarray(picture[..., ::-1]), LONGEST)
        self._device.release()


def _opened(number: int) -> Any:
    import cv2

    expected, remedy = "a camera that no other program uses", "mer analyze VIDEO looks at a file"
    if sys.platform == "linux" and not Path(f"/dev/video{number}").exists():
        raise MediaError(f"camera {number}", "there is no such camera", expected, remedy)
    device = cv2.VideoCapture(number)
    if not device.isOpened():
        raise MediaError(f"camera {number}", "cannot be opened", expected, remedy)
    return device


def _measured(device: Any, number: int) -> float:
    start, count = time.monotonic(), 0
    while time.monotonic() - start < WARM_UP:
        if not device.read()[0]:
            raise MediaError(f"camera {number}", "gives no picture", "a camera that no other program uses")
        count += 1
    return float(min(max(count / (time.monotonic() - start), 5.0), 2 * USUAL))


class GrowingFile(_Read):
    """A video file, played at its own speed while it is being written.

    Args:
        path: of the file; MPEG-TS, Matroska, WebM and fragmented MP4 can be read before they are finished.
        patience: seconds without growth after which it counts as finished.

    Raises:
        MediaError: it is missing, or not a video that can be read from its beginning on.
    """

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self._patience = patience
        if not path.is_file():
            raise MediaError(path, "file not found", "a video file that is being written")
        self._stop = Event()
        self._container = self._open(path)
        if not self._container.streams.video:
            raise MediaError(path, "no video stream", "a video")
        self._stream = self._container.streams.video[0]
        rate = self._stream.average_rate or self._stream.guessed_rate or USUAL
        stop = self._stop
        super().__init__(str(path), float(rate))
        self._stop = stop

    def _open(self, path: Path) -> Any:
        import av

        try:
            source = str(path) if _index_at_end(path) else _Growing(path, self._patience, self._stop)
            return av.open(source, "r", options=ALONE)
        except (av.error.FFmpegError, OSError):
            expected = "MPEG-TS, Matroska, WebM or fragmented MP4"
            raise MediaError(path, "cannot be read while it is written", expected) from None

    def _raw(self) -> Iterator[tuple[float, np.ndarray]]:
        import av

        start, first, aspect = time.monotonic(), None, aspect_of(self._stream)
        try:
            for frame in self._container.decode(self._stream):
                if frame.time is None:
                    continue
                first = frame.time if first is None else first
                seconds = float(frame.time - first)
                self._stop.wait(max(0.0, start + seconds - time.monotonic()))
                if self._stop.is_set():
                    return
                across = round(frame.width * aspect)
                share = min(1.0, LONGEST / max(across, frame.height))
                size = {"width": 2 * round(across * share / 2), "height": 2 * round(frame.height * share / 2)}
                odd = share < 1 or across != frame.width
                picture = frame.to_ndarray(format="rgb24", **(size if odd else {}))
                turned = np.rot90(picture, round(frame.rotation / 90) % 4)
                yield seconds, np.ascontiguousarray(turned)
        except av.error.FFmpegError:
            return  # What was written last may be half a packet.


def _index_at_end(path: Path) -> bool:
    """Say whether a file is an MP4 whose pictures come before their index: without seeking it gives nothing."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in (b"moov", b"mdat") or not kind.isalnum() or size < 8:
                return kind == b"mdat"
            file.seek(size - 8, 1)
    return False


class _Growing:
    """A file object without seeking, whose end is where nothing is written any more."""

    def __init__(self, path: Path, patience: float, stop: Event) -> None:
        self._file, self._patience, self._stop = path.open("rb"), patience, stop

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes as soon as there are any; none at the end."""
        last = time.monotonic()
        while not self._stop.is_set():
            data = self._file.read(size)
            if data:
                return data
            if time.monotonic() - last > self._patience:
                break
            time.sleep(LOOK)
        return b""
