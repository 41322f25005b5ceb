"""Flow: sub-pixel motion between pairs of frames, with its strain.

Reads an `align`, `interpolate` or `magnify` product (or, for published flow images, the index), and writes `flow`,
`strain`, `pairs`, `landmarks` and `numbers` (docs/architecture.md). Crops are turned grey by `mer.motion.grey`. Head
motion is taken out before the strain is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError, ConfigError, ContainerError
from mer.core.source import Source
from mer.motion.grey import grey
from mer.motion.headmotion import centre
from mer.motion.strain import strain
from mer.stages.contract import Array, Stage
from mer.stages.flow.method import FlowMethod, FlowParams, ImageMethod
from mer.stages.flow.pairs import frame_pairs

# Pixels of all first images of the pairs that a method gets at once: 32 pairs at 224 pixels, 1 above 1,267.
_PIXELS = 32 * 224**2


def process(source: Source, out: ClipWriter, method: FlowMethod[Any] | ImageMethod[Any], params: Any) -> None:
    """Compute the flow of one clip.

    Raises:
        ClipError: the pairs need an unknown event, a published image is bad, or the flow is not finite.
        ConfigError: `size` is larger than the crops.
        ContainerError: the source has no face crops.
    """
    if isinstance(method, ImageMethod):
        _published(source, out, method, params)
        return
    clip = source.clip
    assert clip is not None
    frames = clip.lazy("frames")
    if frames.ndim not in (4, 5):
        raise ContainerError(clip.sample_id, f"frames of shape {frames.shape}", "([A,] F, S, S, 3)")
    side, size = frames.shape[-2], params.size or frames.shape[-2]
    if size > side:
        raise ConfigError("flow.size", f"{size} is larger than the crops", f"at most {side}", "align to a larger size")
    pairs = frame_pairs(params, clip.attributes, frames.shape[-4], clip.sample_id)
    views = [frames] if frames.ndim == 4 else [_Factor(frames, k) for k in range(len(frames))]
    landmarks = clip.read("landmarks").astype(np.float64)
    # Pixel centres are at integers, so it is the borders, half a pixel further out, that scale.
    landmarks = (landmarks + 0.5) * (size / side) - 0.5
    fields = clip_fields(views, pairs, landmarks, method, params, clip.sample_id)
    if frames.ndim == 4:
        for field in fields:
            _append(out, field[None], params)
    else:
        for _ in views:
            _append(out, np.stack(list(islice(fields, len(pairs))))[None], params)
        out.write("alphas", clip.read("alphas"))
    _describe(clip, out, pairs, landmarks)


def clip_fields(
    views: Sequence[Any],
    pairs: np.ndarray,
    landmarks: np.ndarray,
    method: FlowMethod[Any],
    params: FlowParams,
    where: str = "clip",
) -> Iterator[np.ndarray]:
    """Yield the centred flow (2, H, W) float32 of every pair of every view of a clip.

    A method with `estimate_many` gets many pairs at once, across views; its memory is bounded
    by `_PIXELS`. Its `firsts` have length 1 when all pairs begin with the same frame.

    Args:
        views: the clip's frames, or those of every magnification factor: each (F, S, S, 3) uint8 RGB, an array or a
            dataset; read one frame at a time.
        pairs: (P, 2) int indices of frames.
        landmarks: (F, 68, 2) float, pixels of the flow.
        method: the estimator.
        params: the method's parameters.
        where: the clip's name in messages.

    Raises:
        ContainerError: the estimate is not of the images' shape.
        ClipError: the estimate is not finite, or the nose that it is to be centred on is unknown.
    """
    jobs = [(k, int(first), int(second)) for k in range(len(views)) for first, second in pairs]
    greys: dict[tuple[int, int], np.ndarray] = {}
    side = params.size or views[0][0].shape[0]
    for start in range(0, len(jobs), max(1, _PIXELS // side**2)):
        chosen = jobs[start : start + max(1, _PIXELS // side**2)]
        needed = dict.fromkeys((view, index) for view, first, second in chosen for index in (first, second))
        greys = {key: greys[key] if key in greys else grey(views[key[0]][key[1]], params.size) for key in needed}
        for (view, first, second), field in zip(chosen, _estimates(greys, chosen, method, params), strict=True):
            wanted = (2, *greys[view, first].shape)
            if np.shape(field) != wanted:
                found = f"the method gives flow of shape {np.shape(field)}"
                raise ContainerError(where, found, f"(2, H, W), here {wanted}", "see `mer check-plugin`")
            if not np.isfinite(field).all():
                factor = f" of factor {view}" if len(views) > 1 else ""
                found = f"flow of frames {first} and {second}{factor} is not finite"
                raise ClipError(where, found, remedy="try another preset")
            if params.centre == "nose" and not np.isfinite(landmarks[first]).all():
                found = f"the landmarks of frame {first} are unknown"
                raise ClipError(where, found, "a nose for centre: nose", "use centre: similarity")
            yield centre(field, params.centre, landmarks[first])


def _estimates(
    greys: Mapping[tuple[int, int], np.ndarray],
    jobs: Sequence[tuple[int, int, int]],
    method: FlowMethod[Any],
    params: Any,
) -> Iterable[np.ndarray]:
    """Yield the flow (2, H, W) of each (view, first, second) of `jobs`, many at once where the method can."""
    if method.estimate_many is None:
        return (method.estimate(greys[k, first], greys[k, second], params) for k, first, second in jobs)
    begins = dict.fromkeys((k, first) for k, first, _ in jobs)
    firsts = [greys[key] for key in (begins if len(begins) == 1 else [(k, first) for k, first, _ in jobs])]
    return method.estimate_many(np.stack(firsts), np.stack([greys[k, s] for k, _, s in jobs]), params)


class _Factor:
    """The frames of one factor of a magnified product, read one at a time."""

    def __init__(self, frames: Any, factor: int) -> None:
        self._frames, self._factor = frames, factor

    def __getitem__(self, index: int) -> np.ndarray:
        return self._frames[self._factor, index]


def _append(out: ClipWriter, flow: np.ndarray, params: Any, bent: np.ndarray | None = None) -> None:
    """Append flow (1, ..., 2, H, W) and its strain, which is computed unless it is given."""
    out.append("flow", flow.astype(params.dtype))
    if bent is None and params.strain != "none":
        bent = strain(flow, params.strain)
    if bent is not None:
        out.append("strain", bent.astype(params.dtype))


def _describe(clip: Clip, out: ClipWriter, pairs: np.ndarray, landmarks: np.ndarray) -> None:
    out.write("landmarks", landmarks[pairs[:, 0]].astype(np.float32))
    out.write("pairs", pairs.astype(np.int64))
    out.write("numbers", clip.read("numbers").astype(np.float64)[pairs])
    out.attributes(clip.attributes)


def _published(source: Source, out: ClipWriter, method: ImageMethod[Any], params: Any) -> None:
    row = source.row
    assert source.root is not None
    flow, bent = method.decode(method.read(source.root / str(row["media_path"])), params)
    _append(out, flow[None], params, bent[None])
    numbers = [np.nan if row.get(name) is None else float(row[name]) for name in ("onset", "apex")]
    out.write("pairs", np.array([[0, 1]], np.int64))
    out.write("numbers", np.array([numbers]))
    out.attributes({"fps": row.get("fps"), "onset": 0, "apex": 1})


def _lacks(params: Any) -> frozenset[str]:
    if not isinstance(params, FlowParams):
        return frozenset({"landmarks"})  # A published image shows no face.
    return frozenset({"strain"}) if params.strain == "none" else frozenset()


STAGE = Stage(
    process,
    {
        "flow": Array("[A,] P, 2, H, W", "float32 or float16", "pixels, u right, v down, from a pair's first frame"),
        "strain": Array("[A,] P, H, W", "float32 or float16", "magnitude of the strain, pixels per pixel"),
        "pairs": Array("P, 2", "int64", "frames of the source between which the flow lies"),
        "landmarks": Array("P, 68, 2", "float32", "(x, y) of the first frame in pixels of the flow"),
        "numbers": Array("P, 2", "float64", "file numbers of the pairs"),
    },
    lacks=_lacks,
)
