"""Writing what alignment makes of frames, block by block, whatever they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mer.core.container import ClipWriter
from mer.core.errors import ClipError
from mer.stages.align.measure import Measurement
from mer.stages.align.method import AlignMethod
from mer.stages.align.replay import Replay

BLOCK = 16
ROWS = 64


def write_crops(
    opened: Callable[[int], Iterator[np.ndarray]],
    out: ClipWriter,
    method: AlignMethod[Any],
    params: Any,
    where: str,
    count: int | None = None,
    shown: Callable[[], None] = lambda: None,
) -> tuple[Measurement, int]:
    """Write the geometry and the crops of frames: the arrays of the `align` product but for `numbers`.

    The frames are read twice, once to measure and once to cut; between the passes at most `params.cache_mb` of them are
    held. What is measured is written block by block, so memory does not grow with the clip but for 50 bytes a frame.

    Args:
        opened: `opened(start)` yields the frames (H, W, 3) uint8 RGB from position `start` on.
        out: where the arrays go.
        method: of the stage.
        params: of the method.
        where: the clip's name in messages.
        count: frames that are expected; None when any number will do.
        shown: called once for every crop made.

    Returns:
        what was remarked on the way, and the number of frames.

    Raises:
        ClipError: no face in any frame tried, or another number of frames than expected.
        MediaError: a frame cannot be decoded.
    """
    replay = Replay(opened, params.cache_mb << 20)
    measurement = method.measure(replay.first(), params, where)
    transforms: list[np.ndarray] = []
    for part in measurement:
        transforms.append(part.transform)
        for name in ("landmarks", "transform", "box", "quality", "detected"):
            values = getattr(part, name)
            # The first append decides the size of a chunk: one of 64 KiB reads and compresses well.
            for start in range(0, len(values), ROWS):
                out.append(name, values[start : start + ROWS])
    transform = np.concatenate(transforms)
    if count not in (None, len(transform)):
        found = f"{len(transform)} frames read"
        raise ClipError(where, found, f"the {count} frames listed", "run the frames stage again")

    def told() -> Iterator[np.ndarray]:
        for crop in method.cut(replay.again(), transform, params):
            yield crop
            shown()

    out.extend("frames", told(), BLOCK)
    return measurement, len(transform)
