"""SOFTNet and MEAN: shallow three-stream networks that spot and recognise (specs/mean-softnet.md §5).

Input of all: (B, 3, 42, 42) float32, the channels u, v and strain of one frame pair, brows above mouth. SOFTNet spots;
MEAN spots, and recognises with a second head on the trunk that spotting trained, which is then frozen.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from mer.models.batch_layers import BatchNorm2d, Dropout, ShallowLayers
from mer.models.loop import l2_penalty

STREAM_L2 = 1e-3
HEAD_L2 = 0.1


def _glorot(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


class SoftNet(nn.Module):
    """SOFTNet (§5.1): (B, 3, 42, 42) → (B,) spotting scores, trained towards 0 and 1 but not bounded by them."""

    def __init__(self) -> None:
        super().__init__()
        self.streams = nn.ModuleList(nn.Conv2d(1, filters, 5, padding=2) for filters in (3, 5, 8))
        self.hidden = nn.Linear(784, 400)
        self.spot = nn.Linear(400, 1)
        _glorot(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B,)."""
        parts = [functional.max_pool2d(conv(x[:, i : i + 1]).relu(), 3) for i, conv in enumerate(self.streams)]
        joined = functional.max_pool2d(torch.cat(parts, dim=1), 2)
        return self.spot(self.hidden(joined.flatten(1)).relu())[:, 0]


class Trunk(nn.Module):
    """The three streams of MEAN (§5.2): convolution, ReLU, then batch normalisation, pooling and dropout.

    (B, 3, 42, 42) → (B, 14, 14, 14).
    """

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(1, filters, 5, padding=2) for filters in (3, 3, 8))
        self.norms = nn.ModuleList(BatchNorm2d(filters, eps=1e-3, momentum=0.01) for filters in (3, 3, 8))
        self.relu, self.pool, self.dropout = nn.ReLU(), nn.MaxPool2d(3), Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, 14, 14, 14)."""
        layers = enumerate(zip(self.convs, self.norms, strict=True))
        parts = [self.pool(norm(self.relu(conv(x[:, i : i + 1])))) for i, (conv, norm) in layers]
        return self.dropout(torch.cat(parts, dim=1))


class Head(nn.Module):
    """Convolution, pooling and one dense layer (§5.2, §5.3): (B, 14, 14, 14) → (B, outputs)."""

    def __init__(self, outputs: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(14, 8, 5, padding=2)
        self.relu, self.pool, self.dropout = nn.ReLU(), nn.MaxPool2d(2), Dropout(dropout)
        self.out = nn.Linear(392, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, outputs)."""
        return self.out(self.dropout(self.pool(self.relu(self.conv(x)))).flatten(1))


class Spotting(nn.Module):
    """MEAN's spotting network: (B, 3, 42, 42) → (B,) scores."""

    def __init__(self, trunk: Trunk | None = None) -> None:
        super().__init__()
        self.trunk = trunk or Trunk()
        self.spot = Head(1)
        _glorot(self.spot if trunk else self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B,)."""
        return self.spot(self.trunk(x))[:, 0]

    def layers(self) -> ShallowLayers:
        """Return what a CPU may compute in compiled loops."""
        return _layers(self.trunk, "spot", self.spot)


class Recognition(nn.Module):
    """MEAN's recognition network: (B, 3, 42, 42) → (B, n_classes) logits.

    Args:
        n_classes: C.
        trunk: a trained trunk to share; a new one when None.
        freeze: how the trunk behaves while the head is trained. `no`: it is trained too. `fixed`: weights and
            statistics stay and are used as in evaluation. `reference`: weights and statistics stay, but batches are
            normalised by their own statistics and dropout is active, as the published run did (§5.4).
    """

    def __init__(
        self, n_classes: int, trunk: Trunk | None = None, freeze: Literal["no", "fixed", "reference"] = "no"
    ) -> None:
        super().__init__()
        self.trunk = trunk or Trunk()
        self.recog = Head(n_classes)
        self.freeze = freeze
        _glorot(self.recog if trunk else self)
        self.trunk.requires_grad_(freeze == "no")

    def train(self, mode: bool = True) -> Recognition:
        """Set training mode as nn.Module does, but for a frozen trunk."""
        super().train(mode)
        if mode and self.freeze == "fixed":
            self.trunk.eval()
        if self.freeze == "reference":
            for norm in self.trunk.norms:
                norm.momentum = 0.0  # type: ignore[assignment]
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, n_classes) logits."""
        return self.recog(self.trunk(x))

    def layers(self) -> ShallowLayers:
        """Return what a CPU may compute in compiled loops."""
        return _layers(self.trunk, "recog", self.recog)


def _layers(trunk: Trunk, name: str, head: Head) -> ShallowLayers:
    return ShallowLayers("trunk", [*trunk.convs], [*trunk.norms], (3, 0), trunk.dropout, name, head.out)  # type: ignore[list-item]


def spotting_loss(network: SoftNet | Spotting, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error against 0/1 targets (B,), and for MEAN the L2 penalty of its four convolutions."""
    error = functional.mse_loss(scores, targets)
    return error if isinstance(network, SoftNet) else error + penalty(network.trunk, network.spot)


def penalty(trunk: Trunk, head: Head, stream: float = STREAM_L2, last: float = HEAD_L2) -> torch.Tensor:
    """Return λ Σ w² over the kernels that are being trained: `stream` for the three streams, `last` for the head's."""
    value = l2_penalty([head.conv.weight], last)
    streams = [conv.weight for conv in trunk.convs if conv.weight.requires_grad]
    return value + l2_penalty(streams, stream) if streams else value  # type: ignore[arg-type]
