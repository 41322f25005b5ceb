"""The network of `mer.models.flow_cnn`, and how it learns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from mer.models.flow_augment import augmented, mirrored, mixed
from mer.models.learner import Inputs, TrainingSetup
from mer.models.loop import Schedule
from mer.models.precision import channels_last

if TYPE_CHECKING:
    from mer.models.feed import Feed
    from mer.models.flow_cnn_settings import Preset

# The rate never falls below this share of the first one.
LEAST = 0.01


def flow_cnn(n_classes: int, width: int, dropout: float, channels: int = 3, side: int = 28) -> nn.Sequential:
    """Return the network: flow images (B, channels, side, side) to logits (B, n_classes); side is 28, 56 or 112."""

    def layer(before: int, after: int, size: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)
        return [convolution, nn.BatchNorm2d(after), nn.ReLU()]

    return nn.Sequential(
        *layer(channels, width, 5, 2),
        *(nn.MaxPool2d(2) for _ in range({28: 0, 56: 1, 112: 2}[side])),
        *layer(width, 2 * width, 3, 1),
        nn.MaxPool2d(2),
        *layer(2 * width, 4 * width, 3, 1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(4 * width * 9, n_classes),
    )


@dataclass(frozen=True)
class Cosine(Schedule):
    """A budget whose rate falls along half a cosine over `period` epochs, to a hundredth, and stays there."""

    period: int = 1

    def rate(self, epoch: int) -> float:
        """Return the factor of the learning rate in a 0-based epoch."""
        return max(LEAST, (1 + math.cos(math.pi * min(1.0, epoch / self.period))) / 2)


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of targets (B, C), rows of sum 1, as a mean weighted by classes (C,)."""
    each = targets * weights
    return -(each * functional.log_softmax(logits, dim=1)).sum() / each.sum()


def setup(network: nn.Module, inputs: Inputs, feed: Feed, preset: Preset) -> TrainingSetup:
    """Return how the network learns; changes are drawn from torch's random state, which a resumed training restores."""
    channels_last(network)
    divisors = torch.from_numpy(inputs.kept["scale"]).to(feed.place, torch.float32)[:, None, None]
    generator = torch.default_generator

    def given(batch: torch.Tensor, training: bool) -> torch.Tensor:
        images = feed(batch)[""] / divisors
        return augmented(images, preset, generator) if training else images

    def answer(images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = network(images.contiguous(memory_format=torch.channels_last))
        return logits

    def loss(batch: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        targets = (labels[:, None] == torch.arange(len(weights), device=labels.device)).to(weights)
        images, targets = mixed(given(batch, True), targets, preset.mixup, generator)
        return soft_cross_entropy(answer(images), targets, weights)

    def logits(batch: torch.Tensor) -> torch.Tensor:
        images = given(batch, False)
        return (answer(images) + answer(mirrored(images))) / 2 if preset.mirror else answer(images)

    return TrainingSetup(
        given=lambda batch, training: [given(batch, training)],
        loss=loss,
        logits=logits,
        optimiser=lambda: torch.optim.AdamW(
            network.parameters(), lr=preset.learning_rate, weight_decay=preset.weight_decay
        ),
        schedule=Cosine(preset.epochs, preset.batch_size, period=preset.period),
    )
