"""What a poor video encoding does to frames: H.264 at a low rate, whose key-frames come as pulses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

POOR = 33  # constant rate factor of a video call


def encoded(frames: Iterable[np.ndarray], fps: float, interval: int, quality: int = POOR) -> Iterator[np.ndarray]:
    """Yield frames (H, W, 3) uint8 RGB as an H.264 decoder gives them back.

    Args:
        frames: RGB frames of one even size.
        fps: frames per second.
        interval: frames from one key-frame to the next.
        quality: constant rate factor, 0 to 51; higher is worse.
    """
    import av

    encoder, decoder = None, av.CodecContext.create("h264", "r")
    for number, frame in enumerate(frames):
        if encoder is None:
            encoder = av.CodecContext.create("libx264", "w")
            encoder.height, encoder.width = frame.shape[:2]
            encoder.pix_fmt = "yuv420p"
            encoder.framerate = Fraction(fps).limit_denominator(1001)
            encoder.time_base = 1 / encoder.framerate
            encoder.thread_count = 1
            rules = f"keyint={interval}:min-keyint={interval}:scenecut=0:ipratio=1.6:mbtree=0"
            encoder.options = {
                "crf": str(quality), "preset": "superfast", "tune": "zerolatency", "x264-params": rules,
            }  # fmt: skip
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts, picture.time_base = number, encoder.time_base
        for packet in encoder.encode(picture):
            yield from (got.to_ndarray(format="rgb24") for got in decoder.decode(packet))
    if encoder is not None:
        for packet in encoder.encode(None):
            yield from (got.to_ndarray(format="rgb24") for got in decoder.decode(packet))
        yield from (got.to_ndarray(format="rgb24") for got in decoder.decode(None))
