"""Training of shallow networks: one fold (`fit`), or several at once on one device (`fit_together`).

The weights after the last epoch are the result; no epoch is chosen on anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.objective import CrossEntropy, Labelled
from mer.models.state import Features, State, class_weights
from mer.models.step import training
from mer.models.together import Adam, Share, described, train_together


@dataclass(frozen=True)
class Lesson:
    """How a network is trained, whatever the fold.

    Attributes:
        name: of the model.
        build: `build(n_classes)` returns the plain network with its weights drawn.
        loss: of a batch.
        plan: the budget.
        rate, eps, decay: of Adam.
        weights: of the classes, as `mer.models.state.class_weights` takes them.
        scale: returns (channels,) divisors of training clips (N, channels, H, W), kept with the weights as `scale`;
            None where clips are taken as they are.
    """

    name: str
    build: Callable[[int], nn.Module]
    loss: CrossEntropy
    plan: loop.Plan
    rate: float
    eps: float
    decay: float
    weights: str | tuple[float, ...]
    scale: Callable[[np.ndarray], np.ndarray] | None = None


def fit(
    lesson: Lesson, features: Features, labels: np.ndarray, n_classes: int, seed: int, log: loop.Log, device: str
) -> State:
    """Train on clips (N, channels, H, W) float32; other arguments as in `mer.models.contract.Fit`.

    Raises:
        ModelError: one class only, weights of another class set, or a loss that is no longer finite.
    """
    loop.require_classes(labels)
    x, kept = np.asarray(features), {}
    if lesson.scale is not None:
        kept["scale"] = lesson.scale(x)
        x = (x / kept["scale"][:, None, None]).astype(np.float32)
    with loop.reproducible(derive_seed(seed, lesson.name), device) as place:
        network = lesson.build(n_classes).to(place)
        images = torch.from_numpy(x).to(place)
        factors = class_weights(lesson.weights, labels, n_classes)
        step = training(network, images, Labelled(lesson.loss, network, labels.astype(np.int64), factors))
        optimiser = step.adam(lesson.rate, lesson.eps, lesson.decay)
        final = loop.train(network, step.loss, len(x), lesson.plan, optimiser, log, lesson.name, rounded=step.rounded)
        told = loop.describe(loop.outputs(network, images), labels)
        arrays = {**loop.arrays_of(network), **kept}
    accuracy = told["training_accuracy"]
    log(f"{lesson.name}: {lesson.plan.epochs} epochs, loss {final:.4f}, training accuracy {accuracy:.3f}")
    return State(arrays, {"n_classes": n_classes, "training_loss": final, **told})


def fit_together(
    lesson: Lesson, features: Features, shares: Sequence[Share], n_classes: int, log: loop.Log, device: str
) -> list[State]:
    """Train several folds at once; each gets what `fit` gives it alone, within rounding.

    Args:
        lesson: how.
        features: those of all clips of all folds, stacked (N, channels, H, W).
        shares: training clips, labels and seed of each fold.
        n_classes: C.
        log: takes one line.
        device: where.

    Raises:
        ModelError: as `fit`.
    """
    for share in shares:
        loop.require_classes(share.labels)
    x = np.asarray(features)
    scales = [lesson.scale(x[share.clips]) if lesson.scale else np.ones(x.shape[1]) for share in shares]
    seeded = [dataclasses.replace(share, seed=derive_seed(share.seed, lesson.name)) for share in shares]
    weights = [class_weights(lesson.weights, share.labels, n_classes) for share in shares]
    with loop.reproducible(0, device) as place:
        data = torch.from_numpy(x).to(place)
        factors = torch.from_numpy(np.stack(weights)).to(place, torch.float32)
        divisors = torch.from_numpy(np.stack(scales)).to(place, torch.float32)[..., None, None]
        adam = Adam(lesson.rate, lesson.eps, lesson.decay)
        given = data, seeded, divisors, factors, lesson.loss, lesson.plan, adam, log, lesson.name
        arrays, losses = train_together(lambda: lesson.build(n_classes), *given)
        network = lesson.build(n_classes).to(place).eval()
        states = []
        for k, (share, held) in enumerate(zip(shares, arrays, strict=True)):
            images = data[torch.from_numpy(share.clips).to(place)] / divisors[k]
            kept = {"scale": scales[k]} if lesson.scale else {}
            states.append(State({**held, **kept}, described(network, held, images, share, n_classes, losses[k])))
    return states


def predict(
    build: Callable[[int], nn.Module], state: State, features: Features, device: str, *, scaled: bool
) -> np.ndarray:
    """Return (N, C) float64 probabilities of clips (N, channels, H, W), divided by the state's `scale` if `scaled`.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    x, n_classes = np.asarray(features), int(state.meta["n_classes"])
    with loop.reproducible(0, device) as place:
        network = build(n_classes).to(place)
        if scaled:
            x = (x / state.array("scale", (x.shape[1],))[:, None, None]).astype(np.float32)
        loop.restore(network, state)
        data = torch.from_numpy(x).to(place)
        return loop.scores(network, len(x), n_classes, lambda i: network(data[i.to(place)]))
