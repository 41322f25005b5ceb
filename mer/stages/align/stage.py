"""The `align` stage: face crops with landmarks, transforms and quality per frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError, MediaError
from mer.core.media import open_frames
from mer.core.source import Source
from mer.stages.align.measure import landmarks_of
from mer.stages.align.replay import Replay

BLOCK = 16
ROWS = 64


def process(source: Source, out: ClipWriter, method: ModuleType, params: Any) -> None:
    """Write the `align` product of one clip (docs/architecture.md).

    The clip is read twice, once to measure and once to cut; between the passes at most `params.cache_mb` of
    frames are held. What is measured is written block by block, so memory does not grow with the clip but for
    50 bytes a frame. Attributes besides those of every product: `faces` (most faces seen in a frame; the largest
    and most central was kept) and one `flag: <reason>` per remark, with the frame indices.

    Raises:
        ClipError: no face in any frame tried, or a frame cannot be decoded.
    """
    clip, root = source.clip, source.root
    if clip is None or root is None:
        raise ClipError(source.row["sample_id"], "no frames or no dataset folder", "the `frames` product and the root")
    try:
        _align(clip, Path(root), out, method, params)
    except MediaError as error:
        raise ClipError(error.where, error.found, error.expected, error.remedy) from error


def _align(clip: Clip, root: Path, out: ClipWriter, method: ModuleType, params: Any) -> None:
    replay = Replay(lambda start: open_frames(clip, root, start), params.cache_mb << 20)
    measurement = method.measure(replay.first(), params, clip.sample_id)
    transforms: list[np.ndarray] = []
    for part in measurement:
        transforms.append(part.transform)
        arrays = {name: getattr(part, name) for name in ("transform", "box", "quality", "detected")}
        for name, values in {"landmarks": landmarks_of(part), **arrays}.items():
            # The first append decides the size of a chunk: one of 64 KiB reads and compresses well.
            for start in range(0, len(values), ROWS):
                out.append(name, values[start : start + ROWS])
    transform = np.concatenate(transforms)
    numbers = clip.read("numbers").astype(np.float64)
    if len(numbers) != len(transform):
        found = f"{len(transform)} frames read"
        raise ClipError(clip.sample_id, found, f"the {len(numbers)} frames listed", "run the frames stage again")
    for block in blocks(method.cut(replay.again(), transform, params)):
        out.append("frames", block)
    out.write("numbers", numbers)
    out.attributes({k: clip.attributes.get(k) for k in ("fps", "onset", "apex", "offset")})
    out.attributes({"faces": measurement.faces})
    out.attributes({f"flag: {name}": frames for name, frames in measurement.flags.texts().items()})


def blocks(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield images stacked, at most 16 at a time."""
    held: list[np.ndarray] = []
    for image in images:
        held.append(image)
        if len(held) == BLOCK:
            yield np.stack(held)
            held.clear()
    if held:
        yield np.stack(held)
