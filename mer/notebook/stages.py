"""The stages as functions of arrays: the very code of the workflow on one clip that is in memory.

Every function takes the `method` of its stage and, as keywords, the keys that the method has in the configuration
(docs/configuration.md); the defaults are those of the configuration. What it returns is what the workflow would write,
to the last bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ConfigError, ContainerError
from mer.core.source import Source
from mer.core.validation import validate
from mer.motion.strain import Variant
from mer.motion.strain import strain as strain_of
from mer.stages.contract import DeviceParams
from mer.stages.registry import load_method, load_stage

NAME = "clip"
POINTS = 68


class Aligned(NamedTuple):
    """What alignment gives of T frames.

    Attributes:
        frames: (T, S, S, 3) uint8 RGB crops of the face.
        landmarks: (T, 68, 2) float32 (x, y) pixels of the crop.
        transform: (T, 2, 3) float64 source pixels to crop pixels.
        box: (T, 4) float32 face in source pixels: left, top, right, bottom.
        quality: (T,) float32, 0 to 1.
        detected: (T,) bool: the detector ran and found the face in this frame.
    """

    frames: np.ndarray
    landmarks: np.ndarray
    transform: np.ndarray
    box: np.ndarray
    quality: np.ndarray
    detected: np.ndarray

    def __repr__(self) -> str:
        side = self.frames.shape[1]
        return f"<{len(self.frames)} aligned frames of {side} x {side} pixels: {', '.join(self._fields)}>"


class Regions(NamedTuple):
    """Regions of a face.

    Attributes:
        names: of the R regions.
        boxes: (R, 4) float32 left, top, right, bottom in pixels of the image; the last two exclusive.
        patches: (R, h, w, 3) uint8, or of an array with channels first (R, C, h, w).
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    patches: np.ndarray

    def __repr__(self) -> str:
        return f"<{len(self.names)} regions, patches {self.patches.shape}: {', '.join(self._fields)}>"


def align(frames: Iterable[np.ndarray], method: str = "dlib", **keys: Any) -> Aligned:
    """Find the face in the frames of a clip, follow it, and cut it out with its landmarks.

    Args:
        frames: (T, H, W, 3) uint8 RGB, or any sequence of such frames of one clip.
        method: of the stage `align`.
        keys: of the method, e.g. `size=224`.

    Raises:
        ClipError: no face in any frame tried.
        ConfigError: an unknown method or key.
        ContainerError: arrays that are no frames.

    >>> import numpy as np
    >>> mer.align(np.zeros((2, 120, 160, 3), np.uint8))
    Traceback (most recent call last):
    mer.core.errors.ClipError: clip: no face in any of the ...
    """
    from mer.stages.align.write import write_crops

    chosen, params = _method("align", method, keys)
    if isinstance(frames, str | os.PathLike):
        remedy = "read its frames first (docs/notebook.md), or use `mer analyze`"
        raise ContainerError("mer.align", f"is given the path {str(frames)!r}", "arrays of frames", remedy)
    given = [_checked(frame, (3,), "frames (T, H, W, 3) uint8, one of them (H, W, 3)") for frame in frames]
    out = Kept()
    write_crops(lambda start: iter(given[start:]), out, chosen, params, NAME, len(given))
    return Aligned(**{name: out.arrays[name] for name in Aligned._fields})


def interpolate(
    frames: np.ndarray,
    count: int,
    method: str = "tim",
    *,
    onset: int | None = None,
    apex: int | None = None,
    offset: int | None = None,
    schedule: str | None = None,
    numbers: Sequence[float] | np.ndarray | None = None,
    **keys: Any,
) -> np.ndarray:
    """Return a clip as `count` frames.

    Args:
        frames: (T, S, S, 3) uint8 RGB crops.
        count: of the frames to make, at least 2.
        method: of the stage `interpolate`.
        onset, apex, offset: indices of `frames`, from 0, where they are known; also where `numbers` are given.
        schedule: which instants are shown (docs/configuration.md). When None: `onset_apex_offset` where all three
            events are given, `uniform` with onset and offset, `onset_apex` with onset and apex, else `all`.
        numbers: (T,) file numbers, increasing, of a clip that misses frames.
        keys: of the method.

    Returns:
        (count, S, S, 3) uint8 RGB; a frame that exists comes out untouched.

    Raises:
        ClipError: the schedule needs an event that is not given, or the events are out of order.
        ConfigError, ContainerError: as `align`.

    >>> import numpy as np
    >>> frames = np.repeat(np.arange(0, 50, 10, dtype=np.uint8), 48).reshape(5, 4, 4, 3)
    >>> mer.interpolate(frames, 9, method="linear")[:, 0, 0, 0]
    array([ 0,  5, 10, 15, 20, 25, 30, 35, 40], dtype=uint8)
    """
    events = {"onset": onset, "apex": apex, "offset": offset}
    usual = {
        (True, True, True): "onset_apex_offset",
        (True, True, False): "onset_apex",
        (True, False, True): "uniform",
    }
    known = (onset is not None, apex is not None, offset is not None)
    keys = {"frames": count, "schedule": schedule or usual.get(known, "all"), **keys}
    return _run("interpolate", method, keys, _crops(frames, numbers), events)["frames"]


def magnify(
    frames: np.ndarray, factor: float | Sequence[float], method: str = "lagrangian", *, onset: int = 0, **keys: Any
) -> np.ndarray:
    """Enlarge the motion of a clip.

    Args:
        frames: (F, S, S, 3) uint8 RGB crops.
        factor: total displacement over that filmed: 1 is no change. Or several.
        method: of the stage `magnify`.
        onset: index of the frame that motion is relative to.
        keys: of the method, e.g. `preset="accurate"` inside `micro={…}`.

    Returns:
        (F, S, S, 3) uint8 RGB; of several factors (A, F, S, S, 3).

    Raises:
        ConfigError, ContainerError: as `align`.

    >>> import numpy as np
    >>> still = np.full((3, 32, 32, 3), 90, np.uint8)
    >>> bool((mer.magnify(still, 5) == still).all())
    True
    """
    several = not np.isscalar(factor)
    alphas = tuple(float(one) for one in np.atleast_1d(factor))
    made = _run("magnify", method, {"alphas": alphas, **keys}, _crops(frames), {"onset": onset})["frames"]
    return made if several else made[0]


def flow(a: np.ndarray, b: np.ndarray, method: str = "micro", **keys: Any) -> np.ndarray:
    """Return the motion from one image to another.

    Args:
        a: (S, S, 3) uint8 RGB crop.
        b: the same of another instant.
        method: of the stage `flow`, an estimating one.
        keys: of the method, e.g. `preset="accurate"`, `size=128`, `centre="similarity"`.

    Returns:
        (2, S, S) float32 pixels, u right, v down; exactly 0 between equal images.

    Raises:
        ConfigError, ContainerError: as `align`.
        ClipError: the estimate is not finite.

    >>> import numpy as np
    >>> y, x = np.mgrid[:64, :64] / 4
    >>> a, b = (np.uint8(128 + 60 * np.sin(x - shift) * np.cos(y)) for shift in (0, 0.25))
    >>> u, v = mer.flow(np.dstack([a, a, a]), np.dstack([b, b, b]), method="farneback")
    >>> round(float(np.median(u)), 1), round(abs(float(np.median(v))), 1)
    (1.0, 0.0)
    """
    first, second = (_checked(image, (3,), "image (S, S, 3) uint8") for image in (a, b))
    if first.shape != second.shape:
        raise ContainerError("mer.flow", f"images of {first.shape} and {second.shape}", "images of one size")
    pair = np.stack([first, second])
    keys = {"pairs": "onset_apex", "strain": "none", **keys}
    landmarks = keys.pop("landmarks", None)
    made = _run("flow", method, keys, _crops(pair, landmarks=landmarks), {"onset": 0, "apex": 1})
    return made["flow"][0]


def strain(flow: np.ndarray, variant: Variant = "central") -> np.ndarray:
    """Return how much a motion stretches the skin (`mer.motion.strain`).

    Args:
        flow: (..., 2, H, W) float, u first.
        variant: the difference scheme: `central`, `backward` or `forward`.

    Returns:
        (..., H, W) in the dtype of `flow`, >= 0, pixels per pixel.

    >>> import numpy as np
    >>> stretch = np.stack([0.1 * np.tile(np.arange(8.0), (8, 1)), np.zeros((8, 8))])
    >>> mer.strain(stretch)[4, 4].round(3)
    np.float64(0.1)
    """
    values = np.asarray(flow)
    if values.ndim < 3 or values.shape[-3] != 2 or min(values.shape[-2:]) < 2 or values.dtype.kind != "f":
        raise ContainerError("flow", f"shape {values.shape}, {values.dtype}", "(..., 2, H, W) float")
    return strain_of(values, variant)


def rois(image: np.ndarray, landmarks: np.ndarray, method: str = "au_boxes", **keys: Any) -> Regions:
    """Cut the regions of a face out of an image of it.

    Args:
        image: (S, S, 3) uint8 RGB crop; or flow (2, S, S) float of the crop's size.
        landmarks: (68, 2) (x, y) pixels of the image.
        method: of the stage `rois`.
        keys: of the method, e.g. `size=28`.

    Raises:
        ConfigError, ContainerError: as `align`.
        ClipError: landmarks that are not finite.

    >>> import numpy as np
    >>> from mer.testing.methods import face_points
    >>> regions = mer.rois(np.zeros((64, 64, 3), np.uint8), face_points(), size=12)
    >>> len(regions.names) == len(regions.patches), regions.patches.shape[1:]
    (True, (12, 12, 3))
    """
    values, points = np.asarray(image), np.asarray(landmarks)
    is_flow = values.ndim == 3 and values.shape[0] == 2 and values.dtype.kind == "f"
    if points.shape != (POINTS, 2):
        raise ContainerError("landmarks", f"shape {points.shape}", f"({POINTS}, 2)")
    name = "flow" if is_flow else "frames"
    if not is_flow:
        _checked(values, (3,), "image (S, S, 3) uint8, or flow (2, S, S) float")
    given = {name: values[None], "landmarks": points[None].astype(np.float32), "numbers": np.zeros(1)}
    made = _run("rois", method, {"array": name, "boxes": "first", **keys}, given, {})
    return Regions(tuple(map(str, made["names"])), made["boxes"][0], made["patches"][0])


class Kept(ClipWriter):
    """One clip of a product, kept in memory instead of written."""

    def __init__(self) -> None:
        self.attached: dict[str, Any] = {}
        self._parts: dict[str, list[np.ndarray]] = {}

    def write(self, name: str, array: np.ndarray) -> None:
        """Keep an array."""
        self._parts[name] = [np.asarray(array)]

    def append(self, name: str, block: np.ndarray) -> None:
        """Append a block along the first axis."""
        self._parts.setdefault(name, []).append(np.array(block))

    def attributes(self, values: Mapping[str, Any]) -> None:
        """Keep attributes; None is an absent one."""
        self.attached |= {name: value for name, value in values.items() if value is not None}

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Every array, by its name."""
        return {name: np.concatenate(parts) if len(parts) > 1 else parts[0] for name, parts in self._parts.items()}


class Held(Clip):
    """One clip of a product that is in memory."""

    def __init__(self, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
        self.sample_id, self._arrays = NAME, arrays
        self.attributes = {name: value for name, value in attributes.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def lazy(self, name: str) -> Any:
        """Return an array that must not be changed; raises `ContainerError` when absent."""
        if name not in self._arrays:
            raise ContainerError(NAME, f"has no array {name!r}", ", ".join(sorted(self._arrays)))
        view = self._arrays[name].view()
        view.flags.writeable = False
        return view

    def read(self, name: str) -> np.ndarray:
        """Return a copy of an array."""
        return np.array(self.lazy(name))


def _run(
    stage: str, method: str, keys: Mapping[str, Any], arrays: Mapping[str, np.ndarray], events: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the arrays that a stage makes of a clip."""
    chosen, params = _method(stage, method, keys)
    out = Kept()
    process: Callable[..., None] = load_stage(stage).process
    process(Source({"sample_id": NAME}, None, Held(arrays, events)), out, chosen, params)
    return out.arrays


def _method(stage: str, name: str, keys: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return a method of a stage and its parameters; raises `ConfigError`."""
    where = f"mer.{stage}"
    method = load_method(stage, name, where)
    if method.from_index:
        raise ConfigError(where, f"method {name} reads files of a database", "a method of arrays")
    params = validate(method.Params, keys, where, "")
    return method, params.placed("cpu") if isinstance(params, DeviceParams) else params


def _crops(frames: np.ndarray, numbers: Any = None, landmarks: Any = None) -> dict[str, np.ndarray]:
    """Return crops as a product; landmarks that nobody gave are unknown."""
    values = _checked(frames, (4,), "frames (F, S, S, 3) uint8")
    points = np.full((len(values), POINTS, 2), np.nan, np.float32)
    if landmarks is not None:
        points[:] = landmarks
    order = np.arange(len(values), dtype=np.float64) if numbers is None else np.asarray(numbers, np.float64)
    if order.shape != (len(values),):
        raise ContainerError("numbers", f"shape {order.shape}", f"({len(values)},), one per frame")
    return {"frames": values, "landmarks": points, "numbers": order}


def _checked(image: Any, axes: tuple[int, ...], expected: str) -> np.ndarray:
    values = np.asarray(image)
    colour = values.ndim not in (3, 4) or values.shape[-1] == 3
    if values.ndim not in axes or values.dtype != np.uint8 or not values.size or not colour:
        raise ContainerError("array", f"shape {values.shape}, {values.dtype}", expected)
    return values
