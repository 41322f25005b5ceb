"""Spotting features: what a network that spots sees at every position of a long recording.

Reads an `align` product and writes `features` (P, 3, 42, 42) float16, `pairs` (P, 2) int64 frame indices, `numbers`
(P, 2) float64 and `quality` (P,) float32, the lower of the pair's two. Position i is the frame pair (i, i + k); a
recording of T frames has P = T - k positions. Frames are read once, in order, and at most k + 1 of them are held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError, ContainerError
from mer.core.source import Source
from mer.motion.grey import grey
from mer.stages.contract import Array, Stage
from mer.stages.spot.method import DistanceParams, SpotMethod

BLOCK = 64


def process(source: Source, out: ClipWriter, method: SpotMethod[Any], params: DistanceParams) -> None:
    """Compute the features of one recording.

    Raises:
        ClipError: it is not longer than k frames, its frame rate is unknown, or the landmarks leave no region.
        ContainerError: the source has no face crops.
    """
    clip = source.clip
    assert clip is not None
    frames = clip.lazy("frames")
    if frames.ndim != 4:
        raise ContainerError(clip.sample_id, f"frames of shape {frames.shape}", "(frames, height, width, 3)")
    distance = distance_of(clip, params)
    count = len(frames) - distance
    if count < 1:
        raise ClipError(clip.sample_id, f"{len(frames)} frames", f"more than the pair distance of {distance}")
    out.extend("features", features(clip, method, params, distance), BLOCK)
    pairs = np.stack([np.arange(count), np.arange(count) + distance], axis=1)
    out.write("pairs", pairs.astype(np.int64))
    out.write("numbers", clip.read("numbers").astype(np.float64)[pairs])
    quality = clip.read("quality")
    out.write("quality", np.minimum(quality[:count], quality[distance:]).astype(np.float32))
    out.attributes({"fps": clip.attributes.get("fps"), "distance": distance})


def distance_of(clip: Clip, params: DistanceParams) -> int:
    """Return k in frames, from `distance_frames`, or from `distance` in seconds and the frame rate, at least 1.

    Raises:
        ClipError: the frame rate is needed and unknown.
    """
    if params.distance_frames:
        return int(params.distance_frames)
    fps = clip.attributes.get("fps")
    if not fps:
        raise ClipError(clip.sample_id, "frame rate unknown", "fps", "set distance_frames in the spot variant")
    # Halves upwards: 0.1 s at 25 fps are 3 frames, as published.
    return max(1, int(params.distance * float(fps) + 0.5))


def features(clip: Clip, method: SpotMethod[Any], params: DistanceParams, distance: int) -> Iterator[np.ndarray]:
    """Yield the features (3, 42, 42) float16 of every position of a recording, in order."""
    frames, landmarks = clip.lazy("frames"), clip.lazy("landmarks")
    window: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=distance + 1)
    picture = method.picture(params, clip.sample_id)
    for start in range(0, len(frames), BLOCK):
        block = zip(frames[start : start + BLOCK], landmarks[start : start + BLOCK], strict=True)
        for image, points in block:
            window.append((grey(image, params.size), scaled(points, params.size, image.shape[0])))
            if len(window) == distance + 1:
                yield picture(window[0][0], window[-1][0], window[0][1]).astype(np.float16)


def scaled(points: np.ndarray, size: int | None, side: int) -> np.ndarray:
    """Return landmarks of a crop of `side` pixels in pixels of the same crop at `size`; None keeps the side."""
    factor = (size or side) / side
    return (points.astype(np.float64) + 0.5) * factor - 0.5


STAGE = Stage(
    process,
    {
        "features": Array("P, 3, 42, 42", "float16", "motion of brows with eyes above that of the mouth"),
        "pairs": Array("P, 2", "int64", "frames of the source: position i is the pair (i, i + k)"),
        "numbers": Array("P, 2", "float64", "file numbers of the pairs"),
        "quality": Array("P", "float32", "0-1, the lower of the pair's two"),
    },
)
