"""Flow: sub-pixel motion between pairs of frames, with its strain.

Reads an `align`, `interpolate` or `magnify` product (or, for published flow images, the index), and writes `flow`,
`strain`, `pairs`, `landmarks` and `numbers` (docs/architecture.md). Crops are turned grey by `mer.motion.grey`. Head
motion is taken out before the strain is computed.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError, ConfigError, ContainerError
from mer.core.source import Source
from mer.motion.grey import grey
from mer.motion.headmotion import centre
from mer.motion.strain import strain
from mer.stages.flow.pairs import FlowParams, frame_pairs


def process(source: Source, out: ClipWriter, method: ModuleType, params: Any) -> None:
    """Compute the flow of one clip.

    Raises:
        ClipError: the pairs need an unknown event, a published image is bad, or the flow is not finite.
        ConfigError: `size` is larger than the crops.
        ContainerError: the source has no face crops.
    """
    if source.clip is None:
        _published(source, out, method, params)
        return
    clip = source.clip
    frames = clip.lazy("frames")
    if frames.ndim not in (4, 5):
        raise ContainerError(clip.sample_id, f"frames of shape {frames.shape}", "([A,] F, S, S, 3)")
    side, size = frames.shape[-2], params.size or frames.shape[-2]
    if size > side:
        raise ConfigError("flow.size", f"{size} is larger than the crops", f"at most {side}", "align to a larger size")
    pairs = frame_pairs(params, clip.attributes, frames.shape[-4], clip.sample_id)
    if frames.ndim == 4:
        for pair in pairs:
            _append(out, *clip_flow(frames, pair[None], method, params, clip.sample_id), params)
    else:
        for factor in range(len(frames)):
            flow, bent = clip_flow(_Factor(frames, factor), pairs, method, params, clip.sample_id)
            _append(out, flow[None], None if bent is None else bent[None], params)
        out.write("alphas", clip.read("alphas"))
    _describe(clip, out, pairs, size / side)


def clip_flow(
    frames: Any, pairs: np.ndarray, method: ModuleType, params: FlowParams, where: str = "clip"
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the centred flow and the strain of the pairs of a clip.

    Args:
        frames: (F, S, S, 3) uint8 RGB, an array or a dataset; read one frame at a time.
        pairs: (P, 2) int indices.
        method: a method module, with `estimate(first, second, params)`.
        params: the method's parameters.
        where: the clip's name in messages.

    Returns:
        flow (P, 2, H, W) and strain (P, H, W), float32; None for `strain: none`.

    Raises:
        ClipError: the estimate is not finite.
    """
    fields: list[np.ndarray] = []
    greys: dict[int, np.ndarray] = {}
    for first, second in pairs:
        greys = {i: greys[i] if i in greys else grey(frames[i], params.size) for i in (int(first), int(second))}
        field = method.estimate(greys[int(first)], greys[int(second)], params)
        if not np.isfinite(field).all():
            raise ClipError(where, f"flow of frames {first} and {second} is not finite", remedy="try another preset")
        fields.append(centre(field, params.centre))
    flow = np.stack(fields)
    return flow, None if params.strain == "none" else strain(flow, params.strain)


class _Factor:
    """The frames of one factor of a magnified product, read one at a time."""

    def __init__(self, frames: Any, factor: int) -> None:
        self._frames, self._factor = frames, factor

    def __getitem__(self, index: int) -> np.ndarray:
        return self._frames[self._factor, index]


def _append(out: ClipWriter, flow: np.ndarray, bent: np.ndarray | None, params: Any) -> None:
    out.append("flow", flow.astype(params.dtype))
    if bent is not None:
        out.append("strain", bent.astype(params.dtype))


def _describe(clip: Clip, out: ClipWriter, pairs: np.ndarray, scale: float) -> None:
    landmarks = clip.read("landmarks")[pairs[:, 0]].astype(np.float64)
    # Pixel centres are at integers, so it is the borders, half a pixel further out, that scale.
    out.write("landmarks", ((landmarks + 0.5) * scale - 0.5).astype(np.float32))
    out.write("pairs", pairs.astype(np.int64))
    out.write("numbers", clip.read("numbers").astype(np.float64)[pairs])
    out.attributes(clip.attributes)


def _published(source: Source, out: ClipWriter, method: ModuleType, params: Any) -> None:
    row = source.row
    assert source.root is not None
    flow, bent = method.decode(method.read(source.root / str(row["media_path"])), params)
    _append(out, flow[None], bent[None], params)
    numbers = [np.nan if row.get(name) is None else float(row[name]) for name in ("onset", "apex")]
    out.write("pairs", np.array([[0, 1]], np.int64))
    out.write("numbers", np.array([numbers]))
    out.attributes({"fps": row.get("fps"), "onset": 0, "apex": 1})
