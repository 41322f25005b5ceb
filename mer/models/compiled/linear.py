"""The last layer and the loss: weighted cross-entropy of a linear layer, forwards and backwards in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from mer.models.compiled.jit import compiled


@compiled
def entropy(x: Any, weight: Any, bias: Any, labels: Any, shares: Any, slopes: Any) -> Any:
    """Return Σ share · -log softmax(weight · x + bias)[label] over a batch, and write its gradients.

    Args:
        x: (B, D).
        weight: (classes, D).
        bias: (classes,).
        labels: (B,) int64.
        shares: (B,) weight of each clip.
        slopes: gradients of x, weight and bias, overwritten.
    """
    d_x, d_weight, d_bias = slopes
    classes, loss = weight.shape[0], 0.0
    logits = np.empty(classes, np.float32)
    d_weight[:] = 0
    d_bias[:] = 0
    for i in range(x.shape[0]):
        row, handed = x[i], d_x[i]
        for c in range(classes):
            taps, total = weight[c], np.float32(0)
            for j in range(len(row)):
                total += taps[j] * row[j]
            logits[c] = total + bias[c]
        most = logits.max()
        total = np.float32(np.exp(logits - most).sum())
        share = shares[i]
        loss += share * (np.log(total) + most - logits[labels[i]])
        handed[:] = 0
        for c in range(classes):
            passed = share * (np.exp(logits[c] - most) / total - np.float32(c == labels[i]))
            taps, d_taps = weight[c], d_weight[c]
            d_bias[c] += passed
            for j in range(len(row)):
                handed[j] += passed * taps[j]
                d_taps[j] += passed * row[j]
    return loss


@dataclass(frozen=True)
class Linear:
    """A linear layer of the averages of windows of `average`² values; 1 where nothing is averaged."""

    layer: nn.Linear
    average: int

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """Weight and bias."""
        return list(self.layer.parameters())

    def loss(self, x: np.ndarray, labels: np.ndarray, shares: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Return the cross-entropy of x (B, C, h, w), and its gradients by x, weight and bias.

        Args:
            x: float32.
            labels: (B,) int64.
            shares: (B,) float32 weights of the clips.
        """
        weight, bias = (parameter.detach().numpy() for parameter in self.parameters)
        side, factor = self.average, 1 / self.average**2
        rows, columns = x.shape[2] // side, x.shape[3] // side
        # The averaging is folded into the weights.
        spread = factor * weight.reshape(-1, x.shape[1], rows, columns).repeat(side, axis=2).repeat(side, axis=3)
        flat = x.reshape(len(x), -1), spread.reshape(len(weight), -1)
        d_x, d_spread, d_bias = slopes = tuple(np.empty(each.shape, np.float32) for each in (*flat, bias))
        loss = entropy(*flat, bias, labels, shares, slopes)
        parts = d_spread.reshape(-1, x.shape[1], rows, side, columns, side)
        return float(loss), [d_x, factor * parts.sum(axis=(3, 5)).reshape(weight.shape), d_bias]
