"""From a product's frames to a clip of fixed length and size (the frame sampler of specs/dual-branch.md §4).

Samplers choose within onset and offset. Positions may lie between frames: a clip too short for its sampler is
interpolated linearly, evenly from onset to offset.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ClipError, ModelError
from mer.models.flow_image import area_pool

#: An array of NumPy or of PyTorch.
T = TypeVar("T", bound=Any)
Sampler = Literal["span", "uniform", "first_n", "apex_window", "topk_diff"]
GREY = np.array([0.299, 0.587, 0.114])
#: OpenCV's number of averaging by area, as the published codes shrink images.
AREA = 3
#: Mean and deviation of ImageNet's red, green and blue in 0–1, which networks trained on it expect removed.
MEAN, DEVIATION = (np.array(v, np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


class Frames:
    """The frames of a clip, read one at a time as (H, W, 3) uint8 RGB, or the patches of one region of it.

    Raises:
        ModelError: the product holds several magnification factors, or the array is not one of colour images.
    """

    def __init__(self, clip: Clip, array: str = "frames", region: int | None = None) -> None:
        where = f"{clip.group.file.filename} clip {clip.sample_id}"
        data: Any = clip.lazy(array)
        axes = 4 if region is None else 5
        self._lead: tuple[int, ...] = ()
        if data.ndim == axes + 1 and len(data) == 1:
            self._lead = (0,)
        shape = data.shape[len(self._lead) :]
        if len(shape) != axes or shape[-1] != 3 or data.dtype != np.uint8:
            expected = "uint8 frames (F, H, W, 3)" if region is None else "uint8 patches of frames (F, R, h, w, 3)"
            found = f"{array} of shape {data.shape}, {data.dtype}"
            raise ModelError(where, found, expected, "name a product of colour images with one magnification factor")
        self._data, self._region, self.count = data, region, int(shape[0])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:
        at = (*self._lead, index) if self._region is None else (*self._lead, index, self._region)
        return np.asarray(self._data[at])


def event(clip: Clip, name: str, count: int) -> int:
    """Return the index of an event of the clip.

    Raises:
        ClipError: it is unknown or outside the clip.
    """
    index = clip.attributes.get(name)
    if index is None or not 0 <= index < count:
        found = f"{name} unknown" if index is None else f"{name} {index} is outside the clip"
        raise ClipError(clip.sample_id, found, f"0 to {count - 1}", "name a product that has it")
    return int(index)


def positions(clip: Clip, frames: Frames, sampler: Sampler, n: int) -> np.ndarray:
    """Return `n` increasing positions (float64) on the frame axis.

    Args:
        clip: its attributes `onset`, `offset` and `apex` bound the choice; `span` needs none of them.
        frames: its images, which only `topk_diff` looks at.
        sampler: `span` evenly over all frames; `uniform` evenly from onset to offset; `first_n` the frames from the
            onset on; `apex_window` consecutive frames around the apex; `topk_diff` the frames before the `n` largest
            changes of grey.
        n: how many.

    Raises:
        ClipError: an event that the sampler needs is unknown, outside the clip, or before an earlier one.
    """
    last = len(frames) - 1
    if sampler == "span":
        return np.linspace(0, last, n)
    onset, offset = event(clip, "onset", last + 1), event(clip, "offset", last + 1)
    if offset < onset:
        raise ClipError(clip.sample_id, f"offset {offset} before onset {onset}", "onset <= offset")
    even = np.linspace(onset, offset, n)
    if sampler == "uniform" or offset - onset + 1 < n:
        return even
    if sampler == "first_n":
        return np.arange(onset, onset + n, dtype=float)
    if sampler == "apex_window":
        start = int(np.clip(event(clip, "apex", last + 1) - n // 2, onset, offset + 1 - n))
        return np.arange(start, start + n, dtype=float)
    if offset - onset < n:
        return even
    return largest_changes(frames, onset, offset, n)


def largest_changes(frames: Frames, onset: int, offset: int, n: int) -> np.ndarray:
    """Return the indices of the earlier frames of the `n` neighbouring pairs that differ most, in order of time.

    The difference of two frames is the sum of |difference| in grey over all pixels; ties go to the earlier pair.
    """
    changes, before = [], frames[onset].astype(np.float64) @ GREY
    for index in range(onset + 1, offset + 1):
        after = frames[index].astype(np.float64) @ GREY
        changes.append(float(np.abs(after - before).sum()))
        before = after
    order = np.argsort(-np.array(changes), kind="stable")[:n]
    return np.sort(order + onset).astype(float)


def read(frames: Frames, at: np.ndarray, size: int) -> np.ndarray:
    """Return (len(at), size, size, 3) float32 RGB in 0–1: frames at positions, averaged by area to the size."""
    pooled: dict[int, np.ndarray] = {}
    for index in _neighbours(at):
        pooled[index] = area_pool(frames[index].transpose(2, 0, 1), size).transpose(1, 2, 0)
    low, part = np.floor(at).astype(int), at - np.floor(at)
    mixed = [(1 - p) * pooled[i] + (p * pooled[i + 1] if p else 0) for i, p in zip(low, part, strict=True)]
    return np.asarray(np.stack(mixed) / 255.0, np.float32)


def read_bytes(frames: Frames, at: np.ndarray, size: int) -> np.ndarray:
    """Return (len(at), size, size, 3) uint8 RGB: frames at positions, averaged by area to the size and rounded.

    As the published codes resize, in bytes: a quarter of the memory of `read` and a thirtieth of its time.
    """
    import cv2

    sized: dict[int, np.ndarray] = {}
    for index in _neighbours(at):
        image = frames[index]
        sized[index] = image if image.shape[:2] == (size, size) else cv2.resize(image, (size, size), None, 0, 0, AREA)
    out = np.empty((len(at), size, size, 3), np.uint8)
    for k, position in enumerate(at):
        low, part = int(np.floor(position)), float(position - np.floor(position))
        out[k] = cv2.addWeighted(sized[low], 1 - part, sized[low + 1], part, 0) if part else sized[low]
    return out


def _neighbours(at: np.ndarray) -> list[int]:
    return sorted({int(i) for i in np.concatenate([np.floor(at), np.ceil(at)])})


def seen(frames: Frames, at: np.ndarray, size: int, view: str) -> np.ndarray:
    """Return what a network's preset keeps of frames: bytes of the faces (`frames`), else what `viewed` needs.

    Changes of a face are smaller than a grey value, so that they are taken between averages that were not rounded.
    """
    return read_bytes(frames, at, size) if view == "frames" else read(frames, at, size)


def viewed(clips: T, view: str) -> T:
    """Return clips (N, T, S, S, 3) as they are, or less their first frame (`change`), which takes the face away."""
    return clips if view == "frames" else clips - clips[:, :1]


def standardised(images: np.ndarray, axis: int) -> np.ndarray:
    """Return float32 RGB in 0–1, the colours along `axis`, less ImageNet's mean and over its deviation."""
    shape = [1] * images.ndim
    shape[axis] = 3
    return (images - MEAN.reshape(shape)) / DEVIATION.reshape(shape)
