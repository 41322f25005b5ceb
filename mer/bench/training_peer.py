"""The named peer of `mer bench training`: LOSO as most public code writes it, one fold after the other.

Plain PyTorch in float32 and the default memory layout: a `Dataset` of tensors behind a shuffling `DataLoader`, a module
per layer, `zero_grad`, `backward`, `step`. The networks, losses and budgets are those of the presets that they are
measured against, and so is how their weights begin; STSTNet's three streams are three modules, as its authors wrote
them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from mer.models.state import class_weights


class PlainStstnet(nn.Module):
    """(N, 3, 28, 28) → (N, n_classes) logits."""

    def __init__(self, n_classes: int, dropout: float) -> None:
        super().__init__()
        self.streams = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3, filters, 3, padding=2),
                nn.ReLU(),
                nn.BatchNorm2d(filters),
                nn.MaxPool2d(3, stride=3, padding=1),
                nn.Dropout(dropout),
            )
            for filters in (3, 5, 8)
        )
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(16 * 5 * 5, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        joined = torch.cat([stream(x) for stream in self.streams], dim=1)
        return self.head(self.pool(joined).flatten(1))


class PlainMean(nn.Module):
    """(N, 3, 42, 42) → (N, n_classes) logits; `kernels` are the weights of the four convolutions."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(1, filters, 5, padding=2) for filters in (3, 3, 8))
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01) for filters in (3, 3, 8))
        self.drop = nn.Dropout(0.3)
        self.conv = nn.Conv2d(14, 8, 5, padding=2)
        self.last_drop = nn.Dropout(0.2)
        self.out = nn.Linear(392, n_classes)
        for layer in (*self.convs, self.conv, self.out):
            nn.init.xavier_uniform_(layer.get_parameter("weight"))
            nn.init.zeros_(layer.get_parameter("bias"))  # type: ignore[no-untyped-call]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        parts = []
        for i in range(3):
            part = self.norms[i](torch.relu(self.convs[i](x[:, i : i + 1])))
            parts.append(self.drop(functional.max_pool2d(part, 3)))
        made = functional.max_pool2d(torch.relu(self.conv(torch.cat(parts, dim=1))), 2)
        return self.out(self.last_drop(made.flatten(1)))


def train_folds(
    model: str,
    images: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    held_out: list[str],
    epochs: int,
    settings: dict[str, float],
    device: str = "cpu",
) -> list[np.ndarray]:
    """Train one fold after the other and return the (n, 3) logits of each one's held-out clips.

    Args:
        model: `ststnet` or `mean`.
        images: (N, 3, S, S) float32.
        labels: (N,) int64, three classes.
        groups: (N,) str, the person of each clip.
        held_out: the person of each fold.
        epochs: passes over the training clips.
        settings: `batch_size`, `learning_rate`, and `weight_decay` and `dropout` or `stream_l2` and `head_l2`.
        device: where.
    """
    made = []
    for fold, person in enumerate(held_out):
        torch.manual_seed(fold)
        test = groups == person
        x, y = torch.from_numpy(images[~test]).to(device), torch.from_numpy(labels[~test]).to(device)
        weight = torch.from_numpy(class_weights("balanced", labels[~test], 3)).float().to(device)
        network = (PlainStstnet(3, settings["dropout"]) if model == "ststnet" else PlainMean(3)).to(device)
        optimiser = torch.optim.Adam(
            network.parameters(), lr=settings["learning_rate"], weight_decay=settings.get("weight_decay", 0.0)
        )
        criterion = nn.CrossEntropyLoss(weight)
        loader = DataLoader(TensorDataset(x, y), batch_size=int(settings["batch_size"]), shuffle=True)
        network.train()
        for _ in range(epochs):
            for image, label in loader:
                optimiser.zero_grad()
                loss = criterion(network(image), label)
                if isinstance(network, PlainMean):
                    streams = [torch.sum(torch.square(conv.get_parameter("weight"))) for conv in network.convs]
                    loss = loss + settings["stream_l2"] * sum(streams)
                    loss = loss + settings["head_l2"] * torch.sum(network.conv.weight**2)
                loss.backward()
                optimiser.step()
        network.eval()
        with torch.no_grad():
            made.append(network(torch.from_numpy(images[test]).to(device)).cpu().numpy())
    return made
