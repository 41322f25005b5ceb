"""Tiny media written on the fly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest


def _numbered(index: int, width: int, height: int) -> np.ndarray:
    """A picture whose median grey tells its index, with a bright top-left corner and noise on the right."""
    image = np.full((height, width, 3), 20 + 5 * index, np.uint8)
    image[: height // 4, : width // 4] = 250
    image[:, -width // 4 :] = np.random.default_rng(index).integers(0, 255, (height, width // 4, 1))
    return image


@pytest.fixture
def write_video() -> Callable[..., Path]:
    def write(
        path: Path,
        count: int = 12,
        size: tuple[int, int] = (64, 48),
        rate: int = 25,
        ticks: Sequence[int] | None = None,
        rotation: int = 0,
        codec: str = "mpeg4",
    ) -> Path:
        with av.open(str(path), "w") as out:
            stream = out.add_stream(codec, rate=rate)
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.time_base = Fraction(1, rate)
            stream.codec_context.gop_size = 4
            stream.codec_context.bit_rate = 4_000_000
            stream.codec_context.qmax = 4 if codec != "libx264" else 20
            if rotation:
                stream.set_display_rotation(rotation)
            for index in range(count):
                frame = av.VideoFrame.from_ndarray(_numbered(index, *size), format="rgb24")
                frame.pts = index if ticks is None else ticks[index]
                frame.time_base = Fraction(1, rate)
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        return path

    return write


@pytest.fixture
def write_audio() -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        with av.open(str(path), "w") as out:
            stream = out.add_stream("pcm_s16le", rate=8000)
            samples = np.zeros((1, 800), np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = 8000
            frame.pts = 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode())
        return path

    return write
