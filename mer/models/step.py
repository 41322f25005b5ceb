"""One training step of a shallow network: compiled on a CPU where that is possible, else as PyTorch has it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mer.models.compiled.training import Compiled, compiled_training
from mer.models.objective import Objective
from mer.models.surroundings import Optimiser


@dataclass(frozen=True)
class Plain:
    """A training in PyTorch.

    Attributes:
        network, images, objective: as `training` was given them.
        rounded: the precision that the loss itself computes in; None: `mer.models.loop.train` decides it.
    """

    network: nn.Module
    images: torch.Tensor
    objective: Objective
    rounded: str | None = None

    def loss(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the loss of the clips `indices` (B,) int64, drawing dropout from torch's random state."""
        return self.objective(self.network(self.images[indices.to(self.images.device)]), indices)

    def adam(self, rate: float, eps: float, decay: float) -> Optimiser:
        """Return Adam over the network's weights."""
        weights, fused = list(self.network.parameters()), self.images.device.type != "cpu"
        return torch.optim.Adam(weights, lr=rate, eps=eps, weight_decay=decay, fused=fused)


def training(network: nn.Module, images: torch.Tensor, objective: Objective) -> Compiled | Plain:
    """Return how a network in training mode learns from images.

    Args:
        network: plain; changed in place.
        images: (N, C, H, W) float32, where the training runs.
        objective: the loss of its output.
    """
    network.train()
    return compiled_training(network, images, objective) or Plain(network, images, objective)
