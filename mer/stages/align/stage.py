"""The `align` stage: face crops with landmarks, transforms and quality per frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from mer.core.container import ClipWriter
from mer.core.errors import ClipError
from mer.core.media import open_frames
from mer.core.source import Source
from mer.stages.align.method import AlignMethod, TrackParams
from mer.stages.align.write import write_crops
from mer.stages.contract import Array, Stage


def process(source: Source, out: ClipWriter, method: AlignMethod[Any], params: TrackParams) -> None:
    """Write the `align` product of one clip (docs/architecture.md).

    Attributes besides those of every product: `faces` (most faces seen in a frame; the largest and most central was
    kept) and one `flag: <reason>` per remark, with the frame indices.

    Raises:
        ClipError: no face in any frame tried.
        MediaError: a frame cannot be decoded.
    """
    clip, root = source.clip, source.root
    if clip is None or root is None:
        raise ClipError(source.row["sample_id"], "no frames or no dataset folder", "the `frames` product and the root")
    numbers = clip.read("numbers").astype(np.float64)
    measurement, _ = write_crops(
        lambda start: open_frames(clip, root, start), out, method, params, clip.sample_id, len(numbers)
    )
    out.write("numbers", numbers)
    out.attributes({k: clip.attributes.get(k) for k in ("fps", "onset", "apex", "offset")})
    out.attributes(measurement.remarks())


STAGE = Stage(
    process,
    {
        "frames": Array("T, S, S, 3", "uint8", "RGB crops"),
        "landmarks": Array("T, 68, 2", "float32", "(x, y) pixels of the crop"),
        "transform": Array("T, 2, 3", "float64", "source pixels to crop pixels"),
        "box": Array("T, 4", "float32", "face in source pixels: left, top, right, bottom"),
        "quality": Array("T", "float32", "0-1"),
        "detected": Array("T", "bool", "the detector ran and found the face in this frame"),
        "numbers": Array("T", "float64", "file numbers"),
    },
    source="frames",
)
