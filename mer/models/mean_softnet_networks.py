"""SOFTNet and MEAN: shallow three-stream networks that spot and recognise (specs/mean-softnet.md §5).

Input of all: (B, 3, 42, 42) float32, the channels u, v and strain of one frame pair, brows above mouth. SOFTNet spots;
MEAN spots, and recognises with a second head on the trunk that spotting trained, which is then frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.models.compiled_step import StepLoss, entropy
from mer.models.conv_norm_pool import Batch, Second, Streams, Window, conv_norm_pool, conv_pool
from mer.models.loop import l2_penalty

SIDE = 42
WINDOW = Window(kernel=5, padding=2, pool=3)
HEAD = Window(kernel=5, padding=2, pool=2)
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

    (B, 3, 42, 42), or in training a batch of `mer.models.conv_norm_pool.Prepared` → (B, 14, 14, 14).
    """

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        sides = {"kernel_size": WINDOW.kernel, "padding": WINDOW.padding}
        self.convs = nn.ModuleList(nn.Conv2d(1, filters, **sides) for filters in (3, 3, 8))  # type: ignore[arg-type]
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01) for filters in (3, 3, 8))
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, 14, 14, 14)."""
        if not self.training:
            layers = zip(x.split(1, dim=1), self.convs, self.norms, strict=True)
            parts = [functional.max_pool2d(norm(conv(one).relu()), WINDOW.pool) for one, conv, norm in layers]
            return torch.cat(parts, dim=1)
        return conv_norm_pool(x, self.convs, self.norms, WINDOW, self.dropout)  # type: ignore[arg-type]


class Head(nn.Module):
    """Convolution, pooling and one dense layer (§5.2, §5.3): (B, 14, 14, 14) → (B, outputs)."""

    def __init__(self, outputs: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(14, 8, 5, padding=2)
        self.dropout = dropout
        self.out = nn.Linear(392, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, outputs)."""
        if not self.training:
            return self.out(functional.max_pool2d(self.conv(x).relu(), HEAD.pool).flatten(1))
        return self.out(conv_pool(x, self.conv, HEAD, self.dropout).flatten(1))


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
        """Return (B, n_classes) logits of what `Trunk` takes."""
        return self.recog(self.trunk(x))

    def compiled_loss(
        self, labels: np.ndarray, factors: np.ndarray, stream_l2: float, head_l2: float
    ) -> Callable[[Batch], StepLoss]:
        """Return the loss of a training step of trunk and head on a CPU: `weighted_nll` and `penalty` without a graph.

        Args:
            labels: (N,) int64 of all clips of the `mer.models.conv_norm_pool.Prepared` that batches come from.
            factors: (n_classes,) weights of the classes.
            stream_l2, head_l2: see `penalty`.
        """
        trunk, head = self.trunk, self.recog
        streams = Streams(list(trunk.convs), list(trunk.norms), WINDOW, trunk.dropout)  # type: ignore[arg-type]
        second = Second(head.conv, HEAD, head.dropout)
        parameters = [*streams.parameters, *head.conv.parameters(), *head.out.parameters()]

        def compute(batch: Batch) -> StepLoss:
            joined, to_streams = streams.forward(batch)
            pooled, to_second = second.forward(joined)
            weight, bias = (head.out.get_parameter(name).detach().numpy() for name in ("weight", "bias"))
            flat = pooled.reshape(len(batch), -1)
            classes = labels[batch.clips]
            loss, d_pooled, d_out, d_bias = entropy(flat, weight, bias, classes, factors[classes], len(batch))
            d_joined, *d_second = to_second(d_pooled)
            gradients = [*to_streams(d_joined), *d_second, d_out, d_bias]
            rates = {**{2 * i: stream_l2 for i in range(len(streams.convs))}, len(streams.parameters): head_l2}
            for i, rate in rates.items():
                kernel = parameters[i].detach().numpy()
                loss += rate * float(np.square(kernel).sum())
                gradients[i] += 2 * rate * kernel
            return StepLoss(loss, parameters, gradients)

        return compute


class Joint(nn.Module):
    """Both heads on one trunk: (B, 3, 42, 42) → scores (B,) and logits (B, n_classes) (§5.4)."""

    def __init__(self, spotting: Spotting, recognition: Recognition) -> None:
        super().__init__()
        self.trunk, self.spot, self.recog = spotting.trunk, spotting.spot, recognition.recog

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spotting scores and class logits."""
        shared = self.trunk(x)
        return self.spot(shared)[:, 0], self.recog(shared)


def spotting_loss(network: SoftNet | Spotting, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error against 0/1 targets (B,), and for MEAN the L2 penalty of its four convolutions."""
    error = functional.mse_loss(network(x), targets)
    return error if isinstance(network, SoftNet) else error + penalty(network.trunk, network.spot)


def penalty(trunk: Trunk, head: Head, stream: float = STREAM_L2, last: float = HEAD_L2) -> torch.Tensor:
    """Return λ Σ w² over the kernels that are being trained: `stream` for the three streams, `last` for the head's."""
    value = l2_penalty([head.conv.weight], last)
    streams = [conv.weight for conv in trunk.convs if conv.weight.requires_grad]
    return value + l2_penalty(streams, stream) if streams else value  # type: ignore[arg-type]
