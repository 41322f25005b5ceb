"""ResNet-18 (He et al., CVPR 2016) with torchvision's parameter names, so that weights trained elsewhere load.

Accepted files: safetensors, or a PyTorch file of tensors only (read without running any code in it), holding the
parameters themselves or a mapping with `state_dict`. A prefix `module.` is dropped, as is the classifier `fc`; every
other name must match (specs/aman-magnet-rife.md §A.4).
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mer.core.container import file_digest
from mer.core.errors import ModelError

# A damaged pickle makes its reader fail in any of these ways.
UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    AssertionError,
    OverflowError,
    MemoryError,
)


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


def layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return one of the four layers: two blocks, the first with the stride."""
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))


class ResNet18(nn.Module):
    """The network without its classifier: (N, 3, H, W) float32 RGB → (N, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2 = layer(64, 64, 1), layer(64, 128, 2)
        self.layer3, self.layer4 = layer(128, 256, 2), layer(256, 512, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return the maps after the third layer, (N, 256, H / 16, W / 16)."""
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        return self.layer3(self.layer2(self.layer1(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of the last maps over space."""
        return self.layer4(self.maps(x)).mean(dim=(2, 3))


def seeded(seed: int) -> ResNet18:
    """Return a network with random weights from `seed`, in evaluation mode; torch's random state is left alone."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return ResNet18().eval()


def read_parameters(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a weight file by torchvision's names, without `module.` and without the classifier.

    Raises:
        ModelError: the file is missing, unreadable, or holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(path, "weight file not found", "ResNet-18 weights", "check the path")
    try:
        held: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except UNREADABLE as error:
        remedy = "convert it to safetensors"
        raise ModelError(path, "not a readable weight file", "tensors only", remedy) from error
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    if not isinstance(held, Mapping) or not all(isinstance(value, torch.Tensor) for value in held.values()):
        raise ModelError(path, "holds more than named tensors", "the parameters of a ResNet-18")
    named = {str(name).removeprefix("module."): value for name, value in held.items()}
    return {name: value for name, value in named.items() if not name.startswith("fc.")}


def load(path: str | Path) -> ResNet18:
    """Return the network with the weights of a file, in evaluation mode; all names and shapes must match.

    Raises:
        ModelError: as `read_parameters`, or a parameter is missing, foreign, of another shape, or not finite.
    """
    network, held = ResNet18(), read_parameters(path)
    wanted = network.state_dict()
    # Files of old versions lack the step counters of batch normalisation, which evaluation does not read.
    held |= {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked") and name not in held}
    for name in sorted(set(wanted) ^ set(held)):
        found = f"has no {name}" if name in wanted else f"has a foreign array {name}"
        raise ModelError(path, found, "the 120 entries of a torchvision resnet18 without fc")
    for name, value in held.items():
        if value.shape != wanted[name].shape:
            raise ModelError(path, f"{name} has shape {tuple(value.shape)}", f"{tuple(wanted[name].shape)}")
        if value.is_floating_point() and not value.isfinite().all():
            raise ModelError(path, f"{name} has values that are not finite")
    network.load_state_dict(held)
    return network.eval()


def record(path: str | Path | None, seed: int) -> str:
    """Return where the weights come from, in words for a checkpoint: the file's digest, or `random, seed …`."""
    return f"random, seed {seed}" if path is None else f"{Path(path).name}, sha256 {file_digest(path)}"
