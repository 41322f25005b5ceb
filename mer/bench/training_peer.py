"""The named peer of `mer bench training`: LOSO as most public code writes it, one fold after the other.

Plain PyTorch in float32 and the default memory layout: a `Dataset` of tensors behind a shuffling `DataLoader`,
`zero_grad`, `backward`, `step`. The networks are the plain modules that the presets train, so their weights begin
alike, with torch's own dropout in the place of ours; losses and budgets are those of the presets too.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mer.models.batch_layers import Dropout
from mer.models.mean_softnet_network import Recognition
from mer.models.state import class_weights
from mer.models.ststnet_network import Ststnet


def plain(network: nn.Module) -> nn.Module:
    """Put torch's dropout in the place of ours, whose masks are drawn on the CPU; return the network."""
    for layer in list(network.modules()):
        for name, child in layer.named_children():
            if isinstance(child, Dropout):
                setattr(layer, name, nn.Dropout(child.share))
    return network


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
        network = plain(Ststnet(3, settings["dropout"]) if model == "ststnet" else Recognition(3)).to(device)
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
                if isinstance(network, Recognition):
                    streams = [torch.sum(torch.square(conv.get_parameter("weight"))) for conv in network.trunk.convs]
                    loss = loss + settings["stream_l2"] * sum(streams)
                    loss = loss + settings["head_l2"] * torch.sum(network.recog.conv.weight**2)
                loss.backward()
                optimiser.step()
        network.eval()
        with torch.no_grad():
            made.append(network(torch.from_numpy(images[test]).to(device)).cpu().numpy())
    return made
