"""What the fits of the larger networks have in common: targets on the device, the training, and its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mer.core.params import Params
from mer.models import loop
from mer.models.state import State, class_weights, require_classes
from mer.models.surroundings import Optimiser


@dataclass(frozen=True)
class Learner:
    """A network on its device with what it learns from: all that `learn` needs to train it and to say how it went.

    Attributes:
        name: of the model, for the lines of the log.
        network: with its first weights.
        loss: as `mer.models.loop.train`.
        logits: (B, C) of a batch of training clips as prediction sees them, given their (B,) int64 indices.
        optimiser: over the network's parameters.
        schedule: the budget.
        said: what to tell before the loss in the last line.
    """

    name: str
    network: nn.Module
    loss: Callable[[torch.Tensor], loop.Loss]
    logits: Callable[[torch.Tensor], torch.Tensor]
    optimiser: Optimiser
    schedule: loop.Schedule
    said: str = ""


def targets(
    labels: np.ndarray, kind: str | tuple[float, ...], n_classes: int, place: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the labels, (N,) int64, and the weights of the classes, (C,) float32, on a device.

    Raises:
        ModelError: as `mer.models.state.require_classes` and `class_weights`.
    """
    require_classes(labels)
    weights = torch.from_numpy(class_weights(kind, labels, n_classes)).to(place, torch.float32)
    return torch.from_numpy(labels.astype(np.int64)).to(place), weights


def learn(learner: Learner, labels: np.ndarray, n_classes: int, preset: Params, log: loop.Log) -> State:
    """Train a network and return its arrays; the metadata have the preset, the last loss and what `loop.describe` says.

    Raises:
        ModelError, ConfigError: as `mer.models.loop.train`.
    """
    network, name = learner.network, learner.name
    final = loop.train(network, learner.loss, len(labels), learner.schedule, learner.optimiser, log, name)
    told = loop.describe(loop.scores(network, len(labels), n_classes, learner.logits), labels)
    log(f"{name}: {learner.said}loss {final:.4f}, {', '.join(f'{key} {value:.3f}' for key, value in told.items())}")
    meta = {"n_classes": n_classes, "preset": preset.model_dump(mode="json"), "training_loss": final, **told}
    return State(loop.arrays_of(network), meta)
