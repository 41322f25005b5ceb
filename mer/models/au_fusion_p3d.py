"""P3D-63: a residual network whose 3-D convolutions are split into space and time (specs/au-fusion.md §5.2)."""

from __future__ import annotations

import math

import torch
from torch import nn

from mer.core.errors import ModelError
from mer.models.au_fusion_inputs import LENGTH

EXPANSION = 4


def _conv(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1) -> nn.Sequential:
    pads = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    conv = nn.Conv3d(inputs, outputs, kernel, stride=(1, stride, stride), padding=pads, bias=False)
    # The published rule leaves out the last kernel side, and so starts wide for kernels over space.
    nn.init.normal_(conv.weight, std=math.sqrt(2.0 / (kernel[0] * kernel[1] * outputs)))
    return nn.Sequential(conv, nn.BatchNorm3d(outputs))


def _shortcut(inputs: int, width: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == width * EXPANSION:
        return nn.Identity()
    return _conv(inputs, width * EXPANSION, (1, 1, 1), stride)


class SplitBlock(nn.Module):
    """Bottleneck around a convolution S over space and one T over time.

    `kind` A chains them, T(S(x)); B adds them, S(x) + T(x); C adds S(x) and T(S(x)).
    """

    def __init__(self, inputs: int, width: int, stride: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.reduce = _conv(inputs, width, (1, 1, 1), stride)
        self.space, self.time = _conv(width, width, (1, 3, 3)), _conv(width, width, (3, 1, 1))
        self.expand = _conv(width, width * EXPANSION, (1, 1, 1))
        self.shortcut = _shortcut(inputs, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, 4 · width, T, H', W')."""
        reduced = self.reduce(x).relu()
        space = self.space(reduced).relu()
        time = self.time(reduced if self.kind == "B" else space).relu()
        mixed = time if self.kind == "A" else space + time
        return (self.expand(mixed) + self.shortcut(x)).relu()


class PlaneBlock(nn.Module):
    """Bottleneck over space only, for maps whose time axis has come down to one step."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.reduce = _conv(inputs, width, (1, 1, 1), stride)
        self.space = _conv(width, width, (1, 3, 3))
        self.expand = _conv(width, width * EXPANSION, (1, 1, 1))
        self.shortcut = _shortcut(inputs, width, stride)
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                # The published layer is 2-D there and keeps torch's own rule.
                nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, 4 · width, 1, H', W')."""
        middle = self.space(self.reduce(x).relu()).relu()
        return (self.expand(middle) + self.shortcut(x)).relu()


class P3D(nn.Module):
    """(B, 3, 16, S, S) float32 → (B, n_outputs) logits.

    Args:
        n_outputs: number of logits.
        width: channels of the first layer; 64 as published.
        blocks: number of blocks in each of the four layers.
        dropout: before the last layer.
    """

    def __init__(
        self,
        n_outputs: int,
        width: int = 64,
        blocks: tuple[int, int, int, int] = (3, 4, 6, 3),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.stem = _conv(3, width, (1, 7, 7), stride=2)
        self.pool = nn.MaxPool3d((2, 3, 3), stride=2, padding=(0, 1, 1))
        self.halve = nn.MaxPool3d((2, 1, 1))
        inputs, index, layers = width, 0, []
        for depth, count in enumerate(blocks):
            middle = width * 2**depth
            layer: list[nn.Module] = []
            for place in range(count):
                stride = 2 if depth and place == 0 else 1
                kind = "ABC"[index % 3]
                layer.append(
                    SplitBlock(inputs, middle, stride, kind) if depth < 3 else PlaneBlock(inputs, middle, stride)
                )
                inputs, index = middle * EXPANSION, index + 1
            layers.append(nn.Sequential(*layer))
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(inputs, n_outputs)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """Return (B, n_outputs).

        Raises:
            ModelError: the clip has not 16 frames, which the poolings bring down to one step.
        """
        if clip.ndim != 5 or clip.shape[1:3] != (3, LENGTH):
            found = f"clips of shape {tuple(clip.shape)}"
            raise ModelError("P3D-63", found, f"(B, 3, {LENGTH}, S, S)", f"interpolate to {LENGTH} frames")
        x = self.pool(self.stem(clip).relu())
        for layer in self.layers[:3]:
            x = self.halve(layer(x))
        # The mean over the whole map equals the published 5 × 5 pooling at 129 to 160 pixels, and fits other sizes too.
        return self.out(self.dropout(self.layers[3](x).mean(dim=(2, 3, 4))))
