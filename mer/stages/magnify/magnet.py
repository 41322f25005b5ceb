"""Learned magnification: every frame against the reference through a MagNet (specs/aman-magnet-rife.md §B).

The default weights come with `mer` and are our own (`mer.networks.magnet_small`); their card is
`mer/weights/files/magnet_small.md`. Published weights are recognised by their tensors. A factor is the total
displacement relative to the reference, for all of them; weights that carry a curve of factors asked and obtained are
asked for the gain that obtains the factor. The published networks drop weak motion and repaint every pixel, about
40 dB from the filmed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from mer.core.device import float32_products
from mer.core.errors import ContainerError
from mer.stages.contract import DeviceParams
from mer.stages.magnify.method import FactorParams, MagnifyMethod
from mer.stages.magnify.passes import by_factor
from mer.weights.locate import kept

if TYPE_CHECKING:
    import torch

    from mer.networks.magnet_files import Loaded

#: Gains that go through the network at once.
TOGETHER = 4
SMALLEST_SIDE = 32


class Params(DeviceParams, FactorParams):
    """Keys of `method: magnet`."""

    weights: str = Field(
        default="magnet_small", min_length=1, description="A name of `mer weights list`, or the path of a weight file."
    )
    calibrated: bool = Field(
        default=True, description="Correct the gain by the curve that the weights carry, where they carry one."
    )


def magnified(frames: Any, reference: int, params: Params) -> Iterator[np.ndarray]:
    """Yield the magnified clip of each factor in turn; see `MagnifyMethod`.

    A frame that equals the reference, and every frame at factor 1, is passed on as it is.

    Raises:
        ModelError: the weights are unknown, absent, unreadable, partial or of another network, or a factor is beyond
            what they were measured for.
        ContainerError: the frames are smaller than 32 pixels.
    """
    if min(frames.shape[1:3]) < SMALLEST_SIDE:
        found = f"frames of {frames.shape[1]} × {frames.shape[2]} pixels"
        raise ContainerError("magnify", found, f"at least {SMALLEST_SIDE} × {SMALLEST_SIDE}")
    loaded = network(params.weights, params.resolved_device())
    gains = {
        alpha: loaded.asked(alpha, f"weights {params.weights}") if params.calibrated else alpha
        for alpha in params.alphas
    }
    start = np.asarray(frames[reference])
    pair = Pair(loaded, start)

    def visit(alphas: Sequence[float]) -> Iterator[tuple[int, Iterable[np.ndarray]]]:
        for index in range(len(frames)):
            frame = np.asarray(frames[index])
            still = np.array_equal(frame, start)
            moving = [] if still else [gains[alpha] for alpha in alphas if alpha != 1]
            made = pair.magnify(frame, moving)
            yield index, [frame if still or alpha == 1 else next(made) for alpha in alphas]

    yield from by_factor(len(frames), tuple(frames.shape[1:]), params.alphas, visit)


@kept
def network(path: str, device: str) -> Loaded:
    """Return the network of registered weights or of a file; see `mer.weights.locate.kept`."""
    from mer.networks.magnet_files import load

    return load(path, device)


class Pair:
    """The reference, encoded once, against any frame.

    Args:
        loaded: the network.
        start: (H, W, 3) uint8 RGB.
    """

    def __init__(self, loaded: Loaded, start: np.ndarray) -> None:
        self.network = loaded.network
        self.first = tensor(start, self.network)
        self.code = self._encode(self.first)

    def magnify(self, frame: np.ndarray, gains: Sequence[float]) -> Iterator[np.ndarray]:
        """Yield a frame (H, W, 3) uint8 RGB magnified by each gain, as the network is asked for it."""
        import torch

        if not gains:
            return
        second = tensor(frame, self.network)
        codes = self.code, self._encode(second)
        for start in range(0, len(gains), TOGETHER):
            asked = second.new_tensor(gains[start : start + TOGETHER])
            with float32_products(), torch.inference_mode():
                made = self.network.magnify(self.first, second, codes, asked)
            yield from pictures(made, frame.shape[:2])

    def _encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        with float32_products(), torch.inference_mode():
            return self.network.encode(image)


def tensor(frame: np.ndarray, network: torch.nn.Module) -> torch.Tensor:
    """Return a frame (H, W, 3) uint8 as (1, 3, H', W') float32 in [-1, 1], reflected to multiples of 4 (B.4)."""
    import torch
    from torch.nn import functional

    device = next(network.parameters()).device
    batch = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)[None])).to(device).float() / 127.5 - 1
    return functional.pad(batch, (0, -frame.shape[1] % 4, 0, -frame.shape[0] % 4), mode="reflect")


def pictures(made: torch.Tensor, size: tuple[int, ...]) -> np.ndarray:
    """Return (K, H, W, 3) uint8, rounded, of a batch (K, 3, H', W') in [-1, 1], cut to (H, W)."""
    cut = (made[:, :, : size[0], : size[1]].clamp(-1, 1) + 1) * 127.5
    return np.asarray(cut.round().byte().permute(0, 2, 3, 1).cpu().numpy())


METHOD = MagnifyMethod(Params, magnified)
