"""What a shallow network is trained for: a loss of its output, written once for one fold and for several at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.models.loop import l2_penalty

# The scalar loss of the network's output of some clips, given the (B,) int64 indices of these.
Objective = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy with weights of the classes, and L2 penalties.

    Attributes:
        over: the sum is divided by the clips' `weights`, as `nn.CrossEntropyLoss` does, or by the number of `clips`.
        penalties: λ of λ Σ w² by the name of the parameter.
    """

    over: Literal["weights", "clips"]
    penalties: Mapping[str, float] = field(default_factory=dict)

    def value(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        factors: torch.Tensor,
        weights: Mapping[str, torch.Tensor],
        present: torch.Tensor,
    ) -> torch.Tensor:
        """Return the scalar loss over the clips that are present.

        Args:
            logits: (B, C).
            labels: (B,) int64.
            factors: (C,) weights of the classes.
            weights: the network's parameters by name.
            present: (B,) 1, or 0 for a clip that does not count.
        """
        each = factors[labels] * present
        logs = functional.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
        total = each.sum() if self.over == "weights" else present.sum()
        value = -(each * logs).sum() / total.clamp(min=1e-12)
        for name, rate in self.penalties.items():
            value = value + l2_penalty([weights[name]], rate)
        return value


@dataclass(frozen=True)
class Labelled:
    """The cross-entropy of one training part: an `Objective`.

    Attributes:
        loss: of a batch.
        network: whose weights are penalised.
        labels: (N,) int64.
        factors: (C,) float64 weights of the classes.
    """

    loss: CrossEntropy
    network: nn.Module
    labels: np.ndarray
    factors: np.ndarray

    def __call__(self, output: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, C) of the clips `indices` (B,)."""
        labels = torch.from_numpy(self.labels[indices.cpu().numpy()]).to(output.device)
        factors = torch.from_numpy(self.factors).to(output)
        ones = torch.ones(len(labels), device=output.device)
        return self.loss.value(output, labels, factors, dict(self.network.named_parameters()), ones)
