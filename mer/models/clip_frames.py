"""From a product's frames to a clip of fixed length and size (the frame sampler of specs/dual-branch.md §4).

`uniform` and `apex_window` choose within onset and offset; the other samplers look at the whole product, and need no
event. Positions may lie between frames: a clip too short for its sampler is interpolated linearly.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ClipError, ModelError
from mer.models.flow_image import area_pool

#: An array of NumPy or of PyTorch.
T = TypeVar("T", bound=Any)
Sampler = Literal["span", "span_whole", "uniform", "first_n", "apex_window", "topk_diff", "topk_to_offset"]
#: Weights of red, green and blue in grey, in parts of 2^14, as OpenCV rounds them.
GREY = np.array([4899, 9617, 1868])
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
        where = clip.where
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


def event(clip: Clip, name: str, count: int, remedy: str = "name a product that has it") -> int:
    """Return the index of an event of the clip.

    Raises:
        ClipError: it is unknown or outside the clip.
    """
    index = clip.attributes.get(name)
    if index is None or not 0 <= index < count:
        found = f"{name} unknown" if index is None else f"{name} {index} is outside the clip"
        raise ClipError(clip.sample_id, found, f"0 to {count - 1}", remedy)
    return int(index)


def positions(clip: Clip, frames: Frames, sampler: Sampler, n: int, first: int = 0) -> np.ndarray:
    """Return `n` positions (float64) on the frame axis, none before an earlier one.

    Args:
        clip: its attributes `onset`, `offset` and `apex`, of which the samplers need what they name.
        frames: its images, which only the largest changes are looked for in.
        sampler:
            `span` evenly over all frames; `span_whole` the same, truncated to whole frames;
            `first_n` the frames from `first` on, whatever the events;
            `topk_diff` the frames before the `n` largest changes of grey in the whole clip; `topk_to_offset` before
            those from the first frame to the second before the offset;
            `uniform` evenly from onset to offset; `apex_window` consecutive frames around the apex within them.
        n: how many. Where there are fewer, they are spread evenly over those that there are.
        first: 0-based frame of the product that `first_n` begins with.

    Raises:
        ClipError: an event that the sampler needs is unknown, outside the clip, or before an earlier one; or the clip
            ends before `first`.
    """
    last = len(frames) - 1
    if sampler in ("span", "span_whole"):
        even = np.linspace(0, last, n)
        return even if sampler == "span" else np.trunc(even)
    if sampler == "first_n":
        if first > last:
            raise ClipError(clip.sample_id, f"{last + 1} frames", f"more than {first}", "lower train.first")
        return _consecutive(first, first, last, n)
    if sampler == "topk_diff":
        return largest_changes(frames, 0, last, n)
    remedy = "use sampler: span, which needs no event"
    if sampler == "topk_to_offset":
        return largest_changes(frames, 0, max(event(clip, "offset", last + 1, remedy) - 2, 0), n)
    onset, offset = (event(clip, name, last + 1, remedy) for name in ("onset", "offset"))
    if offset < onset:
        raise ClipError(clip.sample_id, f"offset {offset} before onset {onset}", "onset <= offset")
    if sampler == "uniform":
        return np.linspace(onset, offset, n)
    # A clip too short for the window needs no apex: it is taken whole.
    middle = event(clip, "apex", last + 1, remedy) if offset - onset + 1 >= n else onset
    return _consecutive(middle - n // 2, onset, offset, n)


def _consecutive(start: int, low: int, high: int, n: int) -> np.ndarray:
    """Return `n` whole positions from `start` on, shifted into `low` to `high`; evenly from `low` to `high` if few."""
    if high - low + 1 < n:
        return np.linspace(low, high, n)
    return np.arange(n, dtype=float) + np.clip(start, low, high + 1 - n)


def largest_changes(frames: Frames, low: int, high: int, n: int) -> np.ndarray:
    """Return the indices of the earlier frames of the `n` neighbouring pairs that differ most, in order of time.

    Pairs lie within the frames `low` to `high`; with fewer than `n` of them, positions lie evenly from `low` to `high`.
    The difference of two frames is the sum over all pixels of the grey of their absolute difference, each in whole
    levels; ties go to the earlier pair.
    """
    if high - low < n:
        return np.linspace(low, high, n)
    changes, before = [], frames[low].astype(np.int32)
    for index in range(low + 1, high + 1):
        after = frames[index].astype(np.int32)
        changes.append(int(((np.abs(after - before) @ GREY + (1 << 13)) >> 14).sum()))
        before = after
    order = np.argsort(-np.array(changes), kind="stable")[:n]
    return np.sort(order + low).astype(float)


def coloured(images: np.ndarray, order: str) -> np.ndarray:
    """Return images (..., 3) RGB with their colours in an order, `rgb` or `bgr`."""
    return np.ascontiguousarray(images[..., ::-1]) if order == "bgr" else images


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

    As the published codes resize, in bytes: a quarter of the memory of `read`, and several times as fast.
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
