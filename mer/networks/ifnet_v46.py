"""IFNet of RIFE release 4.6: any time, four scales, no refinement (specs/aman-magnet-rife.md C.6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mer.networks.ifnet_blocks import resized
from mer.networks.ifnet_warp import warp

WIDTHS = (192, 128, 96, 64)
SCALES = (8, 4, 2, 1)
SLOPE = 0.2


def conv(inputs: int, outputs: int) -> nn.Sequential:
    """Return a 3×3 convolution that halves the resolution, and its leaky ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(SLOPE))


class Residual(nn.Module):
    """A convolution added to its input with a learned weight per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor like `x`."""
        return nn.functional.leaky_relu(self.conv(x) * self.beta + x, SLOPE)


class Block(nn.Module):
    """One coarse-to-fine step; the sixth channel of its head is not used."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(conv(inputs, width // 2), conv(width // 2, width))
        self.convblock = nn.Sequential(*(Residual(width) for _ in range(8)))
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * 6, 4, 2, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor, flow: Tensor | None, scale: int) -> tuple[Tensor, Tensor]:
        """Return flow (B, 4, H, W) and mask (B, 1, H, W) to add."""
        x = resized(x, 1 / scale)
        if flow is not None:
            x = torch.cat([x, resized(flow, 1 / scale) / scale], dim=1)
        made = resized(self.lastconv(self.convblock(self.conv0(x))), scale)
        return made[:, :4] * scale, made[:, 4:5]


class IFNetV46(nn.Module):
    """The network; 5,306,256 parameters."""

    step = 32

    def __init__(self) -> None:
        super().__init__()
        self.block0, self.block1 = Block(7, WIDTHS[0]), Block(12, WIDTHS[1])
        self.block2, self.block3 = Block(12, WIDTHS[2]), Block(12, WIDTHS[3])

    def forward(self, first: Tensor, second: Tensor, time: float = 0.5) -> Tensor:
        """Return the frame at `time` between two, (B, 3, H, W) 0-1; sides are multiples of 32."""
        at = first.new_full((len(first), 1, *first.shape[2:]), time)
        flow, mask = self.block0(torch.cat([first, second, at], dim=1), None, SCALES[0])
        moved_one, moved_two = warp(first, flow[:, :2]), warp(second, flow[:, 2:])
        for block, scale in zip((self.block1, self.block2, self.block3), SCALES[1:], strict=True):
            more_flow, more_mask = block(torch.cat([moved_one, moved_two, at, mask], dim=1), flow, scale)
            flow, mask = flow + more_flow, mask + more_mask
            moved_one, moved_two = warp(first, flow[:, :2]), warp(second, flow[:, 2:])
        return torch.lerp(moved_two, moved_one, mask.sigmoid())
