"""The network of STSTNet (specs/peers.md §3.2); `mer.models.ststnet` trains it.

No filter of the three streams sees another's output before the linear layer, so they are one convolution of 16 filters.
"""

from __future__ import annotations

import torch
from torch import nn

from mer.models.batch_layers import BatchNorm2d, Dropout, ShallowLayers

FILTERS = (3, 5, 8)


class Ststnet(nn.Module):
    """The network: (N, 3, 28, 28) float32 → (N, n_classes) logits."""

    def __init__(self, n_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        width = sum(FILTERS)
        self.streams = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=2),
            nn.ReLU(),
            BatchNorm2d(width),
            nn.MaxPool2d(3, padding=1),
            Dropout(dropout),
        )
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(width * 5 * 5, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, n_classes) logits of (N, 3, 28, 28) images."""
        return self.head(self.pool(self.streams(x)).flatten(1))

    def layers(self) -> ShallowLayers:
        """Return what a CPU may compute in compiled loops."""
        conv, _, norm, _, dropout = self.streams
        return ShallowLayers("streams", [conv], [norm], (3, 1), dropout, "", self.head, 2)  # type: ignore[list-item, arg-type]
