"""A training step without a graph, for networks so small that keeping one takes longer than their arithmetic.

The layers of `mer.models.conv_norm_pool` return what hands a gradient back; a network's step calls them in their order
and then in reverse. `step_loss` makes of it a loss that the common loop takes like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from mer.models import plane_layers as compiled
from mer.models.conv_norm_pool import Batch

# Takes a batch; returns the loss and its gradients, in the order of the parameters.
Compute = Callable[[Batch], tuple[float, Sequence[np.ndarray]]]


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, compute: Compute, batch: Batch, *parameters: torch.Tensor) -> torch.Tensor:
        value, gradients = compute(batch)
        ctx.gradients = [torch.from_numpy(array) for array in gradients]
        return torch.tensor(value)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        factor = float(gradients[0])
        return None, None, *(array if factor == 1 else array * factor for array in ctx.gradients)


def step_loss(parameters: Sequence[torch.Tensor], compute: Compute) -> Callable[[Batch], torch.Tensor]:
    """Return the scalar loss that `compute` finds for a batch; its `backward` hands on the gradients found with it."""
    given = tuple(parameters)

    def loss(batch: Batch) -> torch.Tensor:
        made: torch.Tensor = _Loss.apply(compute, batch, *given)
        return made

    return loss


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
