"""A training step without a graph, for networks so small that keeping one takes longer than their arithmetic.

The layers of `mer.models.conv_norm_pool` return what hands a gradient back; a network's step calls them in their order
and then in reverse. What it found is a `StepLoss`, which the common loop takes like any other loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mer.models import plane_layers as compiled


@dataclass(frozen=True)
class StepLoss:
    """A loss and the gradients that were found with it, which the loop takes like a scalar tensor."""

    value: float
    parameters: Sequence[torch.Tensor]
    gradients: Sequence[np.ndarray]

    def backward(self) -> None:
        """Give the parameters their gradients."""
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient)

    def detach(self) -> torch.Tensor:
        """Return the value, float64."""
        return torch.tensor(self.value, dtype=torch.float64)


def entropy(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, labels: np.ndarray, factors: np.ndarray, divisor: float
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return the weighted cross-entropy of a linear layer, and its gradients by x, weight and bias.

    Args:
        x: (B, D) float32.
        weight: (classes, D) float32.
        bias: (classes,) float32.
        labels: (B,) int64.
        factors: (B,) weight of each clip.
        divisor: of the weighted sum over clips.
    """
    found = np.empty(x.shape, np.float32), np.empty(weight.shape, np.float32), np.empty(len(bias), np.float32)
    loss = compiled.entropy(x, np.ascontiguousarray(weight), bias, labels, factors, divisor, *found)
    return float(loss), *found
