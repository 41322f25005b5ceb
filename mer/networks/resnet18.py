"""ResNet-18 (He et al., CVPR 2016) with torchvision's parameter names, so that weights trained elsewhere load.

A weight file is read as `mer.weights.read` says; besides its common prefix (`module.`), the classifier `fc` is dropped,
and every other name must match (specs/aman-magnet-rife.md §A.4). Narrower and shallower networks of the same plan are
for training on a CPU core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from mer.weights.locate import describe, locate
from mer.weights.read import check, tensors

WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, outputs, H', W')."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return (self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + shortcut).relu()


def layer(inputs: int, outputs: int, stride: int, blocks: int = 2) -> nn.Sequential:
    """Return one of the four layers: its blocks, the first with the stride."""
    later = (BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1))
    return nn.Sequential(BasicBlock(inputs, outputs, stride), *later)


class ResNet18(nn.Module):
    """The network without its classifier: (N, 3, H, W) float32 RGB → (N, widths[-1]).

    Args:
        widths: channels of each layer; any number of layers.
        blocks: of every layer.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, blocks: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.names = [f"layer{number}" for number in range(1, len(widths) + 1)]
        self.add_module("layer1", layer(widths[0], widths[0], 1, blocks))
        for name, (inputs, outputs) in zip(self.names[1:], pairwise(widths), strict=True):
            self.add_module(name, layer(inputs, outputs, 2, blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return the maps before the last layer; after the third of four, (N, 256, H / 16, W / 16)."""
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        for name in self.names[:-1]:
            x = self.get_submodule(name)(x)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of the last maps over space."""
        return self.get_submodule(self.names[-1])(self.maps(x)).mean(dim=(2, 3))


def seeded(seed: int) -> ResNet18:
    """Return a network with random weights from `seed`, in evaluation mode; torch's random state is left alone."""
    with torch.random.fork_rng([]), torch.device("cpu"):
        torch.manual_seed(seed)
        return ResNet18().eval()


def load(name: str | Path) -> ResNet18:
    """Return the network with the weights of a registered name or a file, in evaluation mode.

    Raises:
        ModelError: the file is missing, not tensors only, or a parameter is missing, foreign, of another shape or not
            finite (`mer.weights`).
    """
    path = locate(str(name))
    with torch.device("cpu"):
        network = ResNet18()
    wanted = network.state_dict()
    largest = 16 * sum(math.prod(value.shape) for value in wanted.values()) + (1 << 24)
    held = {key: value for key, value in tensors(path, largest).items() if not key.startswith("fc.")}
    # Files of old versions lack the step counters of batch normalisation, which evaluation does not read.
    held |= {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked") and key not in held}
    network.load_state_dict(check(path, held, {key: tuple(value.shape) for key, value in wanted.items()}))
    return network.eval()


def record(name: str | None, seed: int) -> str:
    """Return where the weights come from, in words for a checkpoint: name and digest, or `random, seed …`."""
    return f"random, seed {seed}" if name is None else describe(name)
