"""The network of AMAN (specs/aman-magnet-rife.md §A): set pooling over factors and frames, and the frozen trunk."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import nn

from mer.models.augment import augmented
from mer.networks import resnet18

WIDTH = 512


class SetPooling(nn.Module):
    """Mean of vectors weighted by a sigmoid score each: (..., N, D) → (..., D), whatever their order."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return Σ a x / Σ a over the last axis but one."""
        weights = torch.sigmoid(self.score(vectors))
        return (weights * vectors).sum(dim=-2) / weights.sum(dim=-2)


class Network(nn.Module):
    """Maps (B, n, K, 256, h, w) of the trunk's third layer, vectors (B, n, K, D) or images → (B, n_classes) logits.

    Args:
        n_classes: C.
        layer4: the fourth layer, trained; None for the variants that get vectors or images.
        trunk: the whole trunk, trained, for images (B, n, K, 3, S, S).
        width: D, of the vectors.
        frozen_norm: the batch normalisation of the fourth layer keeps its statistics.
    """

    def __init__(
        self,
        n_classes: int,
        layer4: nn.Module | None = None,
        trunk: nn.Module | None = None,
        width: int = WIDTH,
        frozen_norm: bool = False,
    ) -> None:
        super().__init__()
        self.layer4, self.trunk = layer4, trunk
        self.frozen_norm = frozen_norm
        self.factors, self.frames = SetPooling(width), SetPooling(width)
        self.out = nn.Linear(width, n_classes)

    def train(self, mode: bool = True) -> Network:
        """Set training mode as nn.Module does, but for frozen normalisation."""
        super().train(mode)
        if self.frozen_norm and self.layer4 is not None:
            self.layer4.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, n_classes) logits."""
        # One call, so that batch normalisation sees all frames and factors at once.
        if self.layer4 is not None:
            x = self.layer4(x.flatten(0, 2)).mean(dim=(2, 3)).unflatten(0, x.shape[:3])
        elif self.trunk is not None:
            images = x.flatten(0, 2).contiguous(memory_format=torch.channels_last)
            x = self.trunk(images).unflatten(0, x.shape[:3])
        return self.out(self.frames(self.factors(x)))


@lru_cache(maxsize=2)
def trunk(name: str | None, seed: int, device: str = "cpu") -> resnet18.ResNet18:
    """Return the frozen trunk on a device, read once per process.

    Raises:
        ModelError: the weight file cannot be used.
    """
    network = resnet18.seeded(seed) if name is None else resnet18.load(name)
    return network.requires_grad_(False).to(device)


def turned(images: torch.Tensor) -> torch.Tensor:
    """Mirror and rotate clips (B, n, K, 3, S, S), all images of a clip alike."""
    return augmented([images.flatten(1, 2)])[0].reshape(images.shape)
