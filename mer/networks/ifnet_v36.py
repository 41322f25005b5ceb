"""IFNet of RIFE release 3.6 ("HDv3"), which the AU fusion system used (specs/au-fusion.md §1.1): the middle frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mer.networks.ifnet_blocks import conv, resized, swapped
from mer.networks.ifnet_warp import warp

WIDTH = 90
SCALES = (4, 2, 1)


class Block(nn.Module):
    """One coarse-to-fine step: two strided convolutions, four residual pairs, and a head each for flow and mask."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(conv(inputs, WIDTH // 2, 2), conv(WIDTH // 2, WIDTH, 2))
        self.convblock0, self.convblock1, self.convblock2, self.convblock3 = (
            nn.Sequential(conv(WIDTH, WIDTH), conv(WIDTH, WIDTH)) for _ in range(4)
        )
        self.conv1, self.conv2 = _head(4), _head(1)

    def forward(self, x: Tensor, flow: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        """Return flow (B, 4, H, W) and mask (B, 1, H, W) to add, of inputs and flow at full resolution."""
        x = self.conv0(torch.cat([resized(x, 1 / scale), resized(flow, 1 / scale) / scale], dim=1))
        for pair in (self.convblock0, self.convblock1, self.convblock2, self.convblock3):
            x = pair(x) + x
        return resized(self.conv1(x), scale) * scale, resized(self.conv2(x), scale)


def _head(outputs: int) -> nn.Sequential:
    half = WIDTH // 2
    first, last = nn.ConvTranspose2d(WIDTH, half, 4, 2, 1), nn.ConvTranspose2d(half, outputs, 4, 2, 1)
    return nn.Sequential(first, nn.PReLU(half), last)


class IFNetV36(nn.Module):
    """The network, with the block that only training used; 3,038,015 parameters, 2,277,600 without that block."""

    step = 32

    def __init__(self) -> None:
        super().__init__()
        self.block0, self.block1, self.block2 = Block(11), Block(11), Block(11)
        self.block_tea = Block(14)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the frame half way between two, (B, 3, H, W) 0-1; sides are multiples of 32.

        Every block sees the pair in both orders, and the mean of the two answers counts.
        """
        moved_one, moved_two = first, second
        flow, mask = first.new_zeros(len(first), 4, *first.shape[2:]), first.new_zeros(len(first), 1, *first.shape[2:])
        for block, scale in zip((self.block0, self.block1, self.block2), SCALES, strict=True):
            flow_one, mask_one = block(torch.cat([moved_one, moved_two, mask], dim=1), flow, scale)
            flow_two, mask_two = block(torch.cat([moved_two, moved_one, -mask], dim=1), swapped(flow), scale)
            flow = flow + (flow_one + swapped(flow_two)) / 2
            mask = mask + (mask_one - mask_two) / 2
            moved_one, moved_two = warp(first, flow[:, :2]), warp(second, flow[:, 2:])
        return torch.lerp(moved_two, moved_one, mask.sigmoid())
