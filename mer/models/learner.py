"""What the models of the larger networks have in common: the training of a fold with its record, and prediction.

PyTorch is imported inside functions: the models' files are read before any job starts (`mer.models.contract`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models.clip_array import ClipArray
from mer.models.contract import Units
from mer.models.state import Features, State, class_weights, require_classes

if TYPE_CHECKING:
    import torch
    from torch import nn

    from mer.models.feed import Feed
    from mer.models.loop import Loss, Schedule
    from mer.models.surroundings import Optimiser


@dataclass(frozen=True)
class FoldData:
    """A training part besides its features; every field as `mer.models.contract.Fit` has it."""

    labels: np.ndarray
    groups: np.ndarray
    seed: int
    log: Callable[[str], None]
    units: Sequence[Units] | None


@dataclass(frozen=True)
class Inputs:
    """What a network is given of some clips.

    Attributes:
        x: arrays by name, the clips along the first axis of each.
        kept: what the fold's training clips say of how to read a clip; stands in the checkpoint beside the weights.
        meta: what else the checkpoint's metadata say.
        said: what to tell before the loss in the last line.
    """

    x: Mapping[str, np.ndarray | ClipArray]
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""


class Given(Protocol):
    """What a network is called with for a batch."""

    def __call__(self, batch: torch.Tensor, training: bool) -> Sequence[torch.Tensor]:
        """Return tensors on the device: scaled, and in training drawn from and augmented."""


@dataclass(frozen=True)
class TrainingSetup:
    """How a network on its device learns from its inputs, and what it says of them.

    Attributes:
        given: what the network is called with for a batch, given the (B,) int64 indices of its clips and whether it is
            for training: tensors on the device, scaled, and in training drawn from and augmented.
        loss: of a batch, given the (B,) int64 indices of its clips, their labels (B,) and the weights of the classes
            (C,) float32; see `mer.models.loop.train`.
        logits: (B, C) of clips as prediction sees them, given their (B,) int64 indices.
        optimiser: returns one over the network's parameters.
        schedule: the budget.
    """

    given: Given
    loss: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Loss]
    logits: Callable[[torch.Tensor], torch.Tensor]
    optimiser: Callable[[], Optimiser]
    schedule: Schedule


@dataclass(frozen=True)
class Learner:
    """A model of a network; its methods are what `mer.models.contract.Model` asks for.

    Attributes:
        name: of the model.
        preset: class of its presets, which have `class_weights`.
        build: `build(preset, n_classes)` returns the network with its weights drawn.
        prepare: `prepare(features, fold, preset)` returns the inputs of training.
        recall: `recall(features, state, preset)` returns those of prediction, with what `prepare` kept.
        training_setup: `training_setup(network, inputs, feed, preset)`, where `feed` has the clips of `inputs` on the
            device.
        bare: changes to a preset that build the same network without reading first weights from a file.
    """

    name: str
    preset: type[Params]
    build: Callable[[Any, int], nn.Module]
    prepare: Callable[[Any, FoldData, Any], Inputs]
    recall: Callable[[Any, State, Any], Inputs]
    training_setup: Callable[[Any, Inputs, Feed, Any], TrainingSetup]
    bare: Mapping[str, Any] = field(default_factory=dict)

    def fit(
        self,
        features: Features,
        labels: np.ndarray,
        groups: np.ndarray,
        n_classes: int,
        preset: Any,
        seed: int,
        log: Callable[[str], None],
        device: str = "cpu",
        units: Sequence[Units] | None = None,
    ) -> State:
        """Train for the preset's epochs; see `mer.models.contract` for the arguments.

        Args:
            units: annotated action-unit numbers of each training clip, None where nobody coded it.

        Raises:
            ModelError: one class only, weights of another class set, no annotated action units for a preset that needs
                them, or a loss that is no longer finite.
        """
        import torch

        from mer.models import loop
        from mer.models.feed import Feed

        inputs = self.prepare(features, FoldData(labels, groups, seed, log, units), preset)
        require_classes(labels)
        with loop.reproducible(derive_seed(seed, self.name), device) as place, Feed(inputs.x, place) as feed:
            weights = torch.from_numpy(class_weights(preset.class_weights, labels, n_classes)).to(place, torch.float32)
            y = torch.from_numpy(labels.astype(np.int64)).to(place)
            network = self.build(preset, n_classes).to(place)
            setup = self.training_setup(network, inputs, feed, preset)

            def loss(batch: torch.Tensor) -> Loss:
                return setup.loss(batch, y[batch.to(place)], weights)

            optimiser = setup.optimiser()
            final = loop.train(network, loss, len(y), setup.schedule, optimiser, log, self.name, coming=feed.coming)
            told = loop.describe(loop.scores(network, len(y), n_classes, setup.logits), labels)
            arrays = loop.arrays_of(network)
        numbers = ", ".join(f"{key} {value:.3f}" for key, value in told.items())
        log(f"{self.name}: {inputs.said}loss {final:.4f}, {numbers}")
        meta = {"n_classes": n_classes, "preset": preset.model_dump(mode="json"), "training_loss": final, **told}
        return State({**arrays, **inputs.kept}, {**meta, **inputs.meta})

    def predict(self, state: State, features: Features, device: str = "cpu") -> np.ndarray:
        """Return (N, C) float64 probabilities.

        Raises:
            ModelError: the checkpoint does not hold this network.
        """
        from mer.models import loop
        from mer.models.feed import Feed

        preset, n_classes = self.preset.model_validate(state.meta["preset"]), int(state.meta["n_classes"])
        with loop.reproducible(0, device) as place:
            network = self.build(preset.model_copy(update=dict(self.bare)), n_classes).to(place)
            loop.restore(network, state)
            inputs = self.recall(features, state, preset)
            with Feed(inputs.x, place) as feed:
                logits = self.training_setup(network, inputs, feed, preset).logits
                return loop.scores(network, feed.count, n_classes, logits)
