"""MagNet: learned motion magnification (Oh et al., ECCV 2018; specs/aman-magnet-rife.md §B).

An encoder splits an image into texture and shape; the manipulator scales the difference of shape between two images;
the decoder paints the texture of the second image in the scaled shape. The published implementations differ in a few
layers, which `Design` switches, so that the weights of each load:

- `kkjh` kkjh0723's, whose weights the AMAN repository ships: 928,144 parameters.
- `zp7` ZhengPeng7's: no convolution on the enlarged texture, a 3×3 first convolution in the manipulator, and the
  difference times the gain instead of the gain minus 1: 877,968 parameters.

Images are (N, 3, H, W) RGB in [-1, 1] (grey level / 127.5 - 1). All convolutions reflect at the border and
have no bias. Our own small network, with the same calls, is in `mer.networks.magnet_small`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

WIDTH = 32  # Channels of texture and of shape.
Code = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Design:
    """What the implementations differ in.

    Args:
        texture_convolution: a convolution follows the enlargement of the texture.
        kernel: side of the manipulator's first convolution.
        offset: what is taken from the total factor before it multiplies the difference of shape.
    """

    texture_convolution: bool = True
    kernel: int = 7
    offset: float = 1.0


DESIGNS: dict[str, Design] = {
    "kkjh": Design(),
    "zp7": Design(texture_convolution=False, kernel=3, offset=0.0),
}


def convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps the size (or divides it by the stride) and reflects at the border."""
    return nn.Conv2d(inputs, outputs, side, stride, side // 2, padding_mode="reflect", bias=False)


class Block(nn.Module):
    """x + conv(relu(conv(x))), without normalisation, nothing after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = convolution(channels, channels, 3), convolution(channels, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the shape given."""
        return x + self.conv2(self.conv1(x).relu())


class Single(nn.Module):
    """One convolution under the name `conv1`, as published files call it."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels, side)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the shape given."""
        return self.conv1(x)


def chain(channels: int, count: int) -> nn.Sequential:
    """Return `count` blocks, one after the other."""
    return nn.Sequential(*(Block(channels) for _ in range(count)))


class Encoder(nn.Module):
    """(N, 3, H, W) → texture (N, 32, H/4, W/4) and shape (N, 32, H/2, W/2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = convolution(3, 16, 7), convolution(16, WIDTH, 3, 2)
        self.resblks = chain(WIDTH, 3)
        self.conv1_text, self.resblks_text = convolution(WIDTH, WIDTH, 3, 2), chain(WIDTH, 2)
        self.conv1_shape, self.resblks_shape = convolution(WIDTH, WIDTH, 3), chain(WIDTH, 2)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (texture, shape)."""
        x = self.resblks(self.conv2(self.conv1(image).relu()).relu())
        return self.resblks_text(self.conv1_text(x).relu()), self.resblks_shape(self.conv1_shape(x).relu())


class Manipulator(nn.Module):
    """Shape of the second image plus what the difference of shapes, times the gain, becomes."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.convblks = nn.Sequential(Single(WIDTH, design.kernel))
        self.convblks_after = nn.Sequential(Single(WIDTH, 3))
        self.resblks = chain(WIDTH, 1)

    def forward(self, first: torch.Tensor, second: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """Return shape (N, 32, H/2, W/2); `gain` (N,) multiplies the difference."""
        change = self.convblks(second - first).relu() * gain.to(second.dtype)[:, None, None, None]
        return second + self.resblks(self.convblks_after(change))


class Decoder(nn.Module):
    """Texture and shape → image (N, 3, H, W)."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        if design.texture_convolution:
            self.conv1_text = convolution(WIDTH, WIDTH, 3)
        self.resblks = chain(2 * WIDTH, 9)
        self.conv1, self.conv2 = convolution(2 * WIDTH, WIDTH, 3), convolution(WIDTH, 3, 7)

    def forward(self, texture: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
        """Return the output without an activation."""
        texture = functional.interpolate(texture, scale_factor=2, mode="nearest")
        if hasattr(self, "conv1_text"):
            texture = self.conv1_text(texture).relu()
        x = self.resblks(torch.cat([texture, shape], dim=1))
        return self.conv2(self.conv1(functional.interpolate(x, scale_factor=2, mode="nearest")).relu())


class MagNet(nn.Module):
    """The network; see the module."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        self.encoder, self.manipulator, self.decoder = Encoder(), Manipulator(design), Decoder(design)

    def encode(self, image: torch.Tensor) -> Code:
        """Return texture (N, 32, H/4, W/4) and shape (N, 32, H/2, W/2) of images in [-1, 1]."""
        code: Code = self.encoder(image)
        return code

    def magnify(
        self, first: torch.Tensor, second: torch.Tensor, codes: tuple[Code, Code], gain: torch.Tensor
    ) -> torch.Tensor:
        """Return `second` magnified, given the codes of both images; see `forward`.

        One pair may be given with many gains.
        """
        (_, shape), (texture, moved) = codes
        changed = self.manipulator(shape, moved, gain - self.design.offset)
        made: torch.Tensor = self.decoder(texture.expand(len(changed), -1, -1, -1), changed)
        return made

    def forward(self, first: torch.Tensor, second: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """Return `second` with its displacement from `first` times `gain`.

        Args:
            first: (N, 3, H, W) in [-1, 1]; height and width are multiples of 4 and at least 16.
            second: the same.
            gain: (N,) total factor of displacement; 1 is the motion as filmed.

        Returns:
            (N, 3, H, W), about [-1, 1]; may overshoot.
        """
        return self.magnify(first, second, (self.encode(first), self.encode(second)), gain)
