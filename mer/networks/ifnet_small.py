"""Our own small relative of IFNet: it corrects the motion found by optical flow, and chooses how to blend.

RIFE's IFNet finds the motion by itself. This one is given it (`mer.stages.interpolate.between`), estimates what is
missing from it, and weighs three pictures against each other at every pixel: the first frame moved, the second frame
moved, and the plain blend of both. Every pixel it makes is so a weighted mean of colours read from the two frames; it
cannot draw what neither shows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle, softmax

from mer.networks.ifnet_blocks import conv
from mer.networks.ifnet_warp import spline_coefficients, warp_spline

#: Channels at a half, a quarter, an eighth and a sixteenth of the resolution.
WIDTHS = (24, 32, 48, 64)
INPUTS = 14
#: Logit of the plain blend before training, so that it starts as the blend of the moved frames.
_PLAIN = -6.0
#: Pixels of flow per unit of the head: the motion given is nearly right, and a step of training must not spoil it.
_FINE = 0.1


class IFNetSmall(nn.Module):
    """The network; variant `small`.

    Args:
        fast: convolve in bfloat16, which trains faster; reading and blending stay in float32.
    """

    step = 16

    def __init__(self, fast: bool = False) -> None:
        super().__init__()
        self.fast = fast
        half, quarter, eighth, sixteenth = WIDTHS
        self.stem = conv(4 * INPUTS, half)
        self.down1 = nn.Sequential(conv(half, quarter, 2), conv(quarter, quarter))
        self.down2 = nn.Sequential(conv(quarter, eighth, 2), conv(eighth, eighth))
        self.down3 = nn.Sequential(conv(eighth, sixteenth, 2), conv(sixteenth, sixteenth))
        self.up3 = conv(sixteenth + eighth, eighth)
        self.up2 = conv(eighth + quarter, quarter)
        self.up1 = conv(quarter + half, half)
        self.head = nn.Conv2d(half, 4 + 3 * 4, 3, 1, 1)
        nn.init.zeros_(self.head.weight)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)

    def correct(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to add to the two flows (B, 4, H, W) and to the three logits (B, 3, H, W)."""
        half = self.stem(pixel_unshuffle(features, 2).contiguous(memory_format=torch.channels_last))
        quarter = self.down1(half)
        eighth = self.down2(quarter)
        x = self.up3(torch.cat([_twice(self.down3(eighth)), eighth], dim=1))
        x = self.up2(torch.cat([_twice(x), quarter], dim=1))
        x = self.head(self.up1(torch.cat([_twice(x), half], dim=1))).float().contiguous()
        return _FINE * _twice(x[:, :4]), pixel_shuffle(x[:, 4:], 2)

    def forward(self, first: Tensor, second: Tensor, motion: Tensor, seen: Tensor, time: Tensor) -> Tensor:
        """Return the frame at `time`.

        Args:
            first: (B, 3, H, W) float32 RGB, 0-1; sides are multiples of 16, see `step`.
            second: the same.
            motion: (B, 2, H, W) pixels, first to second frame, of the point seen at `time`.
            seen: (B, 2, H, W) in (0, 1], visibility of that point in either frame.
            time: (B,) in (0, 1).

        Returns:
            (B, 3, H, W) float32.
        """
        t = time[:, None, None, None]
        one, two = spline_coefficients(first), spline_coefficients(second)
        with torch.no_grad():
            features = self._features(first, second, one, two, motion, seen, t)
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.fast):
            change, logits = self.correct(features)
        moved_one = warp_spline(one, change[:, :2] - t * motion)
        moved_two = warp_spline(two, change[:, 2:] + (1 - t) * motion)
        shares = torch.cat([(1 - t) * seen[:, :1], t * seen[:, 1:]], dim=1).clamp(min=1e-3).log()
        weights = softmax(logits + torch.cat([shares, shares.new_full(shares[:, :1].shape, _PLAIN)], dim=1), dim=1)
        plain = torch.lerp(first, second, t)
        return weights[:, :1] * moved_one + weights[:, 1:2] * moved_two + weights[:, 2:] * plain

    def _features(
        self, first: Tensor, second: Tensor, one: Tensor, two: Tensor, motion: Tensor, seen: Tensor, t: Tensor
    ) -> Tensor:
        """Return (B, `INPUTS`, H, W): differences enlarged, since a grey level decides between the three pictures."""
        moved_one, moved_two = warp_spline(one, -t * motion), warp_spline(two, (1 - t) * motion)
        pictures = [(moved_one + moved_two) / 2 - 0.5, 10 * (moved_one - moved_two), 10 * (first - second)]
        return torch.cat([*pictures, motion / 4, seen, t.expand_as(seen[:, :1])], dim=1)


def _twice(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
