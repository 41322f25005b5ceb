"""What STSTNet and MEAN have in common: a shallow network's training on one fold, or on several at once on one device.

The weights after the last epoch are the result; no epoch is chosen on anything. PyTorch is imported inside functions:
the models' files are read before any job starts (`mer.models.contract`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mer.core.seeds import derive_seed
from mer.models.state import Features, State, class_weights, require_classes

if TYPE_CHECKING:
    from torch import nn

    from mer.models.loop import Schedule
    from mer.models.objective import CrossEntropy


@dataclass(frozen=True)
class TrainingPlan:
    """How a preset has a network trained.

    Attributes:
        epochs, batch_size, shuffle: the budget.
        rate, eps, decay: of Adam.
        class_weights: as `mer.models.state.class_weights` takes them.
        over, penalties: of the loss (`mer.models.objective.CrossEntropy`).
        scale: returns (channels,) divisors of training clips (N, channels, H, W), kept with the weights as `scale`;
            None where clips are taken as they are.
    """

    epochs: int
    batch_size: int
    rate: float
    class_weights: str | tuple[float, ...]
    over: Literal["weights", "clips"]
    shuffle: bool = True
    eps: float = 1e-8
    decay: float = 0.0
    penalties: Mapping[str, float] = field(default_factory=dict)
    scale: Callable[[np.ndarray], np.ndarray] | None = None

    def schedule_and_loss(self) -> tuple[Schedule, CrossEntropy]:
        """Return the budget and the loss."""
        from mer.models.loop import Schedule
        from mer.models.objective import CrossEntropy

        return Schedule(self.epochs, self.batch_size, shuffle=self.shuffle), CrossEntropy(self.over, self.penalties)


@dataclass(frozen=True)
class Shallow:
    """A model of a shallow network; its methods are what `mer.models.contract.Model` asks for.

    Attributes:
        name: of the model.
        build: `build(preset, n_classes)` returns the plain network with its weights drawn.
        training_plan: `training_plan(preset)`.
    """

    name: str
    build: Callable[[Any, int], nn.Module]
    training_plan: Callable[[Any], TrainingPlan]

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
    ) -> State:
        """Train on clips (N, channels, H, W) float32; other arguments as in `mer.models.contract.Fit`.

        Raises:
            ModelError: one class only, weights of another class set, or a loss that is no longer finite.
        """
        import torch

        from mer.models import loop
        from mer.models.objective import Labelled
        from mer.models.step import training

        require_classes(labels)
        plan, x, kept = self.training_plan(preset), np.asarray(features), {}
        schedule, loss = plan.schedule_and_loss()
        if plan.scale is not None:
            kept["scale"] = plan.scale(x)
            x = (x / kept["scale"][:, None, None]).astype(np.float32)
        with loop.reproducible(derive_seed(seed, self.name), device) as place:
            network = self.build(preset, n_classes).to(place)
            images = torch.from_numpy(x).to(place)
            factors = class_weights(plan.class_weights, labels, n_classes)
            step = training(network, images, Labelled(loss, network, labels.astype(np.int64), factors))
            optimiser = step.adam(plan.rate, plan.eps, plan.decay)
            final = loop.train(network, step.loss, len(x), schedule, optimiser, log, self.name, rounded=step.rounded)
            told = loop.describe(loop.outputs(network, images), labels)
            arrays = {**loop.arrays_of(network), **kept}
        accuracy = told["training_accuracy"]
        log(f"{self.name}: {plan.epochs} epochs, loss {final:.4f}, training accuracy {accuracy:.3f}")
        return State(arrays, {"n_classes": n_classes, "training_loss": final, **told})

    def fit_together(
        self,
        features: Features,
        shares: Sequence[Any],
        n_classes: int,
        preset: Any,
        log: Callable[[str], None],
        device: str = "cpu",
    ) -> list[State]:
        """Train several folds at once; each gets what `fit` gives it alone, within rounding.

        Args:
            features: those of all clips of all folds, stacked (N, channels, H, W).
            shares: training clips, labels and seed of each fold (`mer.models.together.Share`).
            n_classes: C.
            preset: settings.
            log: takes one line.
            device: where.

        Raises:
            ModelError: as `fit`.
        """
        import torch

        from mer.models import loop
        from mer.models.together import Adam, train_together

        for share in shares:
            require_classes(share.labels)
        plan, x = self.training_plan(preset), np.asarray(features)
        schedule, loss = plan.schedule_and_loss()
        scales = [plan.scale(x[share.clips]) if plan.scale else np.ones(x.shape[1]) for share in shares]
        seeded = [dataclasses.replace(share, seed=derive_seed(share.seed, self.name)) for share in shares]
        weights = [class_weights(plan.class_weights, share.labels, n_classes) for share in shares]
        with loop.reproducible(0, device) as place:
            data = torch.from_numpy(x).to(place)
            factors = torch.from_numpy(np.stack(weights)).to(place, torch.float32)
            divisors = torch.from_numpy(np.stack(scales)).to(place, torch.float32)[..., None, None]
            given = data, seeded, divisors, factors, loss, schedule, Adam(plan.rate, plan.eps, plan.decay)
            arrays, losses = train_together(lambda: self.build(preset, n_classes), *given, log, self.name)
            network = self.build(preset, n_classes).to(place)
            states = []
            for k, (share, held) in enumerate(zip(shares, arrays, strict=True)):
                images = data[torch.from_numpy(share.clips).to(place)] / divisors[k]
                loop.restore(network, State(held))
                told = loop.describe(loop.outputs(network, images), share.labels)
                kept = {"scale": scales[k]} if plan.scale else {}
                states.append(State({**held, **kept}, {"n_classes": n_classes, "training_loss": losses[k], **told}))
        return states

    def predict(self, preset: Any, state: State, features: Features, device: str = "cpu") -> np.ndarray:
        """Return (N, C) float64 probabilities; `preset` is any, since presets do not differ in evaluation.

        Raises:
            ModelError: the checkpoint does not hold this network.
        """
        import torch

        from mer.models import loop

        x, n_classes = np.asarray(features), int(state.meta["n_classes"])
        with loop.reproducible(0, device) as place:
            network = self.build(preset, n_classes).to(place)
            if self.training_plan(preset).scale is not None:
                x = (x / state.array("scale", (x.shape[1],))[:, None, None]).astype(np.float32)
            loop.restore(network, state)
            data = torch.from_numpy(x).to(place)
            return loop.scores(network, len(x), n_classes, lambda i: network(data[i.to(place)]))
