"""What the dual-branch networks are made of (specs/dual-branch.md §1): stem, EC-CBAM, per-step bottleneck, GRU.

Tensors are channels first: clips (B, 3, T, H, W) float32, features (B, C, T, H, W), sequences (B, T, D).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from mer.core.params import Params
from mer.models.pooling import max_pool3d

SLOPE = 0.2


class Attention(Params):
    """Which convolutional block attention; the defaults are the published EC-CBAM (§1.2)."""

    combine: Literal["diff_half", "sum"] = "diff_half"
    shared: bool = False
    order: Literal["parallel", "sequential"] = "parallel"
    maps: Literal["channels", "one"] = "channels"
    kernel: int = 3
    reduction: int = 8
    rectifier: Literal["leaky", "relu"] = "leaky"


ATTENTIONS = {
    "eccbam": Attention(),
    "eccbam_sum": Attention(combine="sum"),
    "eccbam_figure": Attention(shared=True, order="sequential", maps="one"),
    "cbam": Attention(
        combine="sum", shared=True, order="sequential", maps="one", kernel=7, reduction=16, rectifier="relu"
    ),
}


def he_normal(weight: torch.Tensor) -> None:
    """Fill a kernel from a normal cut at two deviations, of variance 2 / fan-in after the cut (Keras' rule)."""
    fan_in = weight[0].numel()
    deviation = math.sqrt(2.0 / fan_in) / 0.87962566103423978
    nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


def initialised(layer: nn.Module, rule: Callable[[torch.Tensor], object]) -> nn.Module:
    """Return the layer with its kernel filled by `rule` and a zero bias where it has one."""
    rule(layer.weight)  # type: ignore[arg-type]
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def dense(inputs: int, outputs: int, rule: Callable[[torch.Tensor], object] = he_normal) -> nn.Module:
    """Return a linear layer with a zero bias."""
    return initialised(nn.Linear(inputs, outputs), rule)


class SamePadMaxPool3d(nn.Module):
    """Maximum over `size`³ blocks with stride `size`; n values become ceil(n / size).

    Padding is split evenly with the odd voxel behind, so that a block never holds padding only.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pool (B, C, T, H, W)."""
        pads: list[int] = []
        for n in reversed(x.shape[2:]):
            lacking = -n % self.size
            pads += [lacking // 2, lacking - lacking // 2]
        if any(pads):
            x = functional.pad(x, pads, value=-math.inf)
        return max_pool3d(x, (self.size,) * 3, (self.size,) * 3)


def convolution(inputs: int, outputs: int, kernel: int, pool: int, norm: bool) -> nn.Sequential:
    """Return convolution, optional batch normalisation, leaky ReLU and pooling (§1.1)."""
    # Normalisation takes the mean away again, and a bias with it.
    conv = initialised(nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, bias=not norm), he_normal)
    middle = [nn.BatchNorm3d(outputs)] if norm else []
    return nn.Sequential(conv, *middle, nn.LeakyReLU(SLOPE), SamePadMaxPool3d(pool))


class Stem(nn.Module):
    """Two branches with kernels 5³ and 3³, joined by channel, and a trunk with 3³ (§1.1).

    Args:
        width: channels of each branch.
        trunk: channels of the result.
        pool: block size of every pooling.
        norm: batch normalisation before each leaky ReLU; the published network has none.
    """

    def __init__(self, width: int = 32, trunk: int = 32, pool: int = 2, norm: bool = False) -> None:
        super().__init__()
        self.first = convolution(3, width, 5, pool, norm)
        self.second = convolution(3, width, 3, pool, norm)
        self.trunk = convolution(2 * width, trunk, 3, pool, norm)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return (B, trunk, T', H', W') of two clips (B, 3, T, H, W)."""
        return self.trunk(torch.cat([self.first(first), self.second(second)], dim=1))


class ChannelGate(nn.Module):
    """Weights of channels from their mean a and maximum m over space and time (§1.2).

    `diff_half` has the logit (f_max(m) - f_avg(a)) / 2, `sum` has f_max(m) + f_avg(a); `shared` makes them one network.
    """

    def __init__(self, channels: int, kind: Attention) -> None:
        super().__init__()
        self.combine = kind.combine
        self.mean = self._mlp(channels, kind)
        self.largest = self.mean if kind.shared else self._mlp(channels, kind)

    @staticmethod
    def _mlp(channels: int, kind: Attention) -> nn.Sequential:
        hidden = max(1, channels // kind.reduction)
        rectifier = nn.LeakyReLU(SLOPE) if kind.rectifier == "leaky" else nn.ReLU()
        return nn.Sequential(dense(channels, hidden, nn.init.xavier_uniform_), rectifier, dense(hidden, channels))

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C) before the sigmoid."""
        mean, largest = self.mean(x.mean(dim=(2, 3, 4))), self.largest(x.amax(dim=(2, 3, 4)))
        return (largest - mean) / 2 if self.combine == "diff_half" else largest + mean

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return gates in (0, 1), (B, C, 1, 1, 1)."""
        return torch.sigmoid(self.logits(x))[:, :, None, None, None]


class VoxelGate(nn.Module):
    """Weights of voxels from maximum and mean over channels: one map, or one per channel (§1.2)."""

    def __init__(self, channels: int, kind: Attention) -> None:
        super().__init__()
        maps = channels if kind.maps == "channels" else 1
        conv = nn.Conv3d(2, maps, kind.kernel, padding=kind.kernel // 2)
        self.conv = initialised(conv, nn.init.xavier_uniform_)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return gates in (0, 1), (B, C or 1, T, H, W)."""
        pooled = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.conv(pooled))


class BlockAttention(nn.Module):
    """EC-CBAM or one of its kin: features times channel gate times voxel gate.

    `parallel` computes both gates from the features; `sequential` the second from the features gated by the first.
    """

    def __init__(self, channels: int, kind: Attention) -> None:
        super().__init__()
        self.parallel = kind.order == "parallel"
        self.channel = ChannelGate(channels, kind)
        self.voxel = VoxelGate(channels, kind)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return gated features, (B, C, T, H, W) as given."""
        gated = x * self.channel(x)
        return gated * self.voxel(x if self.parallel else gated)

    def penalised(self) -> list[torch.Tensor]:
        """Return the first kernel of each network of the channel gate."""
        firsts = [self.channel.mean[0].weight]
        if self.channel.largest is not self.channel.mean:
            firsts.append(self.channel.largest[0].weight)
        return firsts  # type: ignore[return-value]


class Bottleneck(nn.Module):
    """Every time step by itself: flatten, then two dense layers with dropout before each (§1.3).

    Args:
        inputs: channels × height × width of a step.
        widths: of the two layers.
        dropout: share dropped.
        third: drop before the recurrent layer too.
    """

    def __init__(self, inputs: int, widths: tuple[int, int], dropout: float, third: bool) -> None:
        super().__init__()
        self.dropout = dropout
        self.third = third
        self.first, self.second = dense(inputs, widths[0]), dense(widths[0], widths[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, T, widths[1]) of (B, C, T, H, W)."""
        steps = x.transpose(1, 2).flatten(2)
        for layer in (self.first, self.second):
            steps = functional.dropout(steps, self.dropout, self.training)
            steps = functional.leaky_relu(layer(steps), SLOPE)
        return functional.dropout(steps, self.dropout, self.training) if self.third else steps

    def penalised(self) -> list[torch.Tensor]:
        """Return the two kernels."""
        return [self.first.weight, self.second.weight]  # type: ignore[list-item]


class Recurrent(nn.GRU):
    """A GRU that a CUDA device computes in float32 whatever autocast says.

    cuDNN would take float16 where bf16 is asked for, whose smallest gradients vanish without a scaled loss.
    """

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        """Return what `nn.GRU` does of (B, T, D)."""
        if x.device.type != "cuda":
            return super().forward(x)
        with torch.autocast("cuda", enabled=False):
            return super().forward(x.float())


def recurrent(inputs: int, units: int) -> Recurrent:
    """Return a batch-first GRU with Glorot input kernels, orthogonal recurrent kernels and zero biases (§1.4)."""
    gru = Recurrent(inputs, units, batch_first=True)
    for name, parameter in gru.named_parameters():
        rule = {"weight_ih_l0": nn.init.xavier_uniform_, "weight_hh_l0": nn.init.orthogonal_}.get(name, nn.init.zeros_)
        rule(parameter)
    return gru


def step_width(size: int, pool: int, trunk: int) -> int:
    """Return the values of one time step of the stem's result for clips of `size` × `size` pixels, pooled twice."""
    return trunk * math.ceil(size / pool**2) ** 2
