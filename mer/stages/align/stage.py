"""The `align` stage: similarity-aligned face crops with landmarks, transforms and quality per frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError, MediaError
from mer.core.geometry import scale_of
from mer.core.media import open_frames
from mer.core.source import Source
from mer.stages.align.replay import Replay
from mer.stages.align.warp import antialias_sigma, crop

BLOCK = 16


def process(source: Source, out: ClipWriter, method: ModuleType, params: Any) -> None:
    """Write the `align` product of one clip (docs/architecture.md).

    The clip is read twice, once to measure and once to cut; between the passes at most `params.cache_mb` of
    frames are held, so memory does not grow with the clip. Attributes besides those of every product:
    `faces` (most faces seen in a frame; the largest and most central was kept) and one `flag: <reason>` per
    reason for a low quality, with the frame indices.

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
    result = method.align(replay.first(), params, clip.sample_id)
    numbers = clip.read("numbers").astype(np.float64)
    if len(numbers) != len(result.quality):
        found = f"{len(result.quality)} frames read"
        raise ClipError(clip.sample_id, found, f"the {len(numbers)} frames listed", "run the frames stage again")
    for block in blocks(replay.again(), result.transform, params.size):
        out.append("frames", block)
    for name in ("landmarks", "transform", "box", "quality", "detected"):
        out.write(name, getattr(result, name))
    out.write("numbers", numbers)
    out.attributes({k: clip.attributes.get(k) for k in ("fps", "onset", "apex", "offset")})
    out.attributes({"faces": result.faces})
    out.attributes({f"flag: {name}": method.ranges(indices) for name, indices in sorted(result.reasons.items())})


def blocks(frames: Iterator[np.ndarray], transform: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the crops of frames (H, W, 3) uint8 under transform (T, 2, 3) as (N, size, size, 3) uint8, N <= 16."""
    sigma = antialias_sigma(float(np.median(scale_of(transform))))
    held: list[np.ndarray] = []
    for image, matrix in zip(frames, transform, strict=True):
        held.append(crop(image, matrix, size, sigma))
        if len(held) == BLOCK:
            yield np.stack(held)
            held.clear()
    if held:
        yield np.stack(held)
