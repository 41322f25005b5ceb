"""IFNet of the RIFE paper (middle frame), and IFNet_m (any time), with their context and refinement networks.

Specification: specs/aman-magnet-rife.md C.1 to C.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mer.networks.ifnet_blocks import conv, resized
from mer.networks.ifnet_warp import warp

SCALES = (4, 2, 1)
BASE = 16


class Block(nn.Module):
    """One coarse-to-fine step; its output has half the resolution of its scale."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(conv(inputs, width // 2, 2), conv(width // 2, width, 2))
        self.convblock = nn.Sequential(*(conv(width, width) for _ in range(8)))
        self.lastconv = nn.ConvTranspose2d(width, 5, 4, 2, 1)

    def forward(self, x: Tensor, flow: Tensor | None, scale: int) -> tuple[Tensor, Tensor]:
        """Return flow (B, 4, H, W) and mask (B, 1, H, W) to add."""
        x = resized(x, 1 / scale)
        if flow is not None:
            x = torch.cat([x, resized(flow, 1 / scale) / scale], dim=1)
        x = self.conv0(x)
        made = resized(self.lastconv(self.convblock(x) + x), 2 * scale)
        return made[:, :4] * (2 * scale), made[:, 4:]


class Pair(nn.Module):
    """Two convolutions, the first of which halves the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(inputs, outputs, 2), conv(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H / 2, W / 2)."""
        return self.conv2(self.conv1(x))


class Context(nn.Module):
    """Features of one frame at four resolutions, moved along the flow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = Pair(3, BASE), Pair(BASE, 2 * BASE)
        self.conv3, self.conv4 = Pair(2 * BASE, 4 * BASE), Pair(4 * BASE, 8 * BASE)

    def forward(self, x: Tensor, flow: Tensor) -> list[Tensor]:
        """Return four maps, each half the size of the one before."""
        maps = []
        for stage in (self.conv1, self.conv2, self.conv3, self.conv4):
            x, flow = stage(x), resized(flow, 0.5) / 2
            maps.append(warp(x, flow))
        return maps


class Refine(nn.Module):
    """U-Net that adds what the blend of the moved frames lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.down0, self.down1 = Pair(17, 2 * BASE), Pair(4 * BASE, 4 * BASE)
        self.down2, self.down3 = Pair(8 * BASE, 8 * BASE), Pair(16 * BASE, 16 * BASE)
        self.up0, self.up1 = _up(32 * BASE, 8 * BASE), _up(16 * BASE, 4 * BASE)
        self.up2, self.up3 = _up(8 * BASE, 2 * BASE), _up(4 * BASE, BASE)
        self.conv = nn.Conv2d(BASE, 3, 3, 1, 1)

    def forward(self, x: Tensor, one: list[Tensor], two: list[Tensor]) -> Tensor:
        """Return (B, 3, H, W) in (0, 1); 0.5 adds nothing."""
        at0 = self.down0(x)
        at1 = self.down1(torch.cat([at0, one[0], two[0]], dim=1))
        at2 = self.down2(torch.cat([at1, one[1], two[1]], dim=1))
        at3 = self.down3(torch.cat([at2, one[2], two[2]], dim=1))
        x = self.up0(torch.cat([at3, one[3], two[3]], dim=1))
        for stage, skipped in ((self.up1, at2), (self.up2, at1), (self.up3, at0)):
            x = stage(torch.cat([x, skipped], dim=1))
        return self.conv(x).sigmoid()


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.PReLU(outputs))


class IFNetM(nn.Module):
    """The network, with the block that only training used.

    Args:
        timed: whether the time is an input (IFNet_m, 10,710,780 parameters); else the middle frame is made (the paper's
            network, 10,708,215 parameters, 10,071,550 without the training block).
    """

    step = 32

    def __init__(self, timed: bool = True) -> None:
        super().__init__()
        self.timed = timed
        more = int(timed)
        self.block0, self.block1 = Block(6 + more, 240), Block(17 + more, 150)
        self.block2, self.block_tea = Block(17 + more, 90), Block(20 + more, 90)
        self.contextnet, self.unet = Context(), Refine()

    def forward(self, first: Tensor, second: Tensor, time: float = 0.5) -> Tensor:
        """Return the frame at `time` between two, (B, 3, H, W) 0-1; sides are multiples of 32."""
        if not self.timed and time != 0.5:
            raise ValueError("this network makes the middle frame only")
        given = [first, second]
        if self.timed:
            given.append(first.new_full((len(first), 1, *first.shape[2:]), time))
        flow, mask = self.block0(torch.cat(given, dim=1), None, SCALES[0])
        moved_one, moved_two = warp(first, flow[:, :2]), warp(second, flow[:, 2:])
        for block, scale in zip((self.block1, self.block2), SCALES[1:], strict=True):
            more_flow, more_mask = block(torch.cat([*given, moved_one, moved_two, mask], dim=1), flow, scale)
            flow, mask = flow + more_flow, mask + more_mask
            moved_one, moved_two = warp(first, flow[:, :2]), warp(second, flow[:, 2:])
        one, two = self.contextnet(first, flow[:, :2]), self.contextnet(second, flow[:, 2:])
        residue = self.unet(torch.cat([first, second, moved_one, moved_two, mask, flow], dim=1), one, two)
        return (torch.lerp(moved_two, moved_one, mask.sigmoid()) + 2 * residue - 1).clamp(0, 1)
