"""Learned interpolation with the IFNets of RIFE (Huang et al., ECCV 2022).

The default weights are our own, come with `mer`, and start from optical flow (`mer.networks.ifnet_small`). Published
weights are recognised by their tensors: RIFE 3.6 and the paper's network make the middle frame only, and other times
are reached by halving (specs/au-fusion.md §1.2); RIFE_m and 4.6 take the time itself. What two frames have in common is
worked out once for all positions between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from mer.core.device import float32_products
from mer.stages.contract import DeviceParams
from mer.stages.interpolate.between import Flows, middle
from mer.stages.interpolate.flow_warp import Params as FlowParams
from mer.stages.interpolate.flow_warp import estimated
from mer.stages.interpolate.method import InterpolateMethod, ScheduleParams
from mer.stages.interpolate.neighbours import Maker, between_neighbours
from mer.weights.locate import kept

if TYPE_CHECKING:
    import torch

#: How far from a wanted time, as a share of the step between two frames, halving may stop, and when it must.
TOLERANCE = 0.005
HALVINGS = 8


class Params(DeviceParams, ScheduleParams):
    """Keys of `method: rife`."""

    weights: str = Field(
        default="ifnet_small", min_length=1, description="A name of `mer weights list`, or the path of a weight file."
    )


def resample(frames: Any, positions: np.ndarray, params: Params | None = None) -> np.ndarray:
    """Return the frames at fractional positions, made by a network of both neighbours; see `InterpolateMethod`.

    Identical frames give that frame.

    Raises:
        ModelError: the weights are unknown, absent, unreadable, partial or of another network.
    """
    params = params or Params()
    variant, network = _network(params.weights, params.resolved_device())

    def maker_of(first: np.ndarray, second: np.ndarray) -> Maker:
        if np.array_equal(first, second):
            return lambda time: first
        return maker(variant, network, first, second)

    return between_neighbours(frames, positions, maker_of)


@kept
def _network(path: str, device: str) -> tuple[str, torch.nn.Module]:
    from mer.networks.ifnet import load

    return load(path, device)


def maker(variant: str, network: torch.nn.Module, first: np.ndarray, second: np.ndarray) -> Maker:
    """Return a function from a time in (0, 1) to the frame (H, W, 3) uint8 between two frames."""
    if variant == "small":
        return _guided(network, first, second)
    from mer.networks.ifnet import TIMED

    # The published networks were fed frames as OpenCV reads them: blue first.
    one, two = (tensor(frame[..., ::-1], network) for frame in (first, second))
    size = first.shape[:2]
    if variant in TIMED:
        return lambda time: picture(_run(network, one, two, time), size)[..., ::-1]
    known = {0.0: one, 1.0: two}
    return lambda time: picture(bisected(lambda a, b: _run(network, a, b), known, time), size)[..., ::-1]


def prior(first: np.ndarray, second: np.ndarray) -> Flows:
    """Return the motion that `ifnet_small` is given, in training as in use: OpenCV's DIS, both ways."""
    return estimated(first, second, FlowParams())


def _guided(network: torch.nn.Module, first: np.ndarray, second: np.ndarray) -> Maker:
    flows = prior(first, second)
    one, two = tensor(first, network), tensor(second, network)

    def make(time: float) -> np.ndarray:
        there = middle(flows, time)
        motion, seen = (tensor(planes.transpose(1, 2, 0), network, 1.0) for planes in (there.motion, there.seen))
        return picture(_run(network, one, two, motion, seen, one.new_tensor([time])), first.shape[:2])

    return make


def _run(network: torch.nn.Module, *inputs: Any) -> torch.Tensor:
    import torch

    with float32_products(), torch.inference_mode():
        made: torch.Tensor = network(*inputs)
    return made


def bisected(halve: Callable[[Any, Any], Any], known: dict[float, Any], time: float) -> Any:
    """Return a frame within `TOLERANCE` of `time` from a network that makes middle frames.

    Args:
        halve: two frames to the one half way between them.
        known: frames by their times, at least those at 0.0 and 1.0; what is made is added, and serves later calls.
        time: in [0, 1].
    """
    if time <= TOLERANCE:
        return known[0.0]
    if time >= 1 - TOLERANCE:
        return known[1.0]
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        at = (low + high) / 2
        if at not in known:
            known[at] = halve(known[low], known[high])
        if abs(at - time) <= TOLERANCE:
            break
        low, high = (at, high) if at < time else (low, at)
    return known[at]


def tensor(planes: np.ndarray, network: torch.nn.Module, scale: float = 1 / 255) -> torch.Tensor:
    """Return (H, W, C) as a batch of one (1, C, H', W') float32, scaled, its edges repeated to what a network takes."""
    import torch

    from mer.networks.ifnet_blocks import padded

    device = next(network.parameters()).device
    batch = torch.from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1)[None])).to(device).float() * scale
    return padded(batch, int(network.step))  # type: ignore[arg-type]


def picture(made: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Return the frame (H, W, 3) uint8 of a batch of one (1, 3, H', W') 0-1, cut to (H, W) and rounded."""
    cut = made[0, :, : size[0], : size[1]].clamp(0, 1) * 255
    return np.asarray(cut.round().byte().permute(1, 2, 0).cpu().numpy())


METHOD = InterpolateMethod(Params, resample)
