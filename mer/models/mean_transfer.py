"""The second step of MEAN: a recognition head on a trunk that learned to spot (specs/mean-softnet.md §5.3, §5.4, §6).

As published the trunk's weights and statistics stay as spotting left them while the head is trained, from fresh
weights, on the pairs of onset and apex of the training persons; batches are normalised by their own statistics and
dropout is active in the trunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.mean_softnet_network import HEAD_L2, STREAM_L2, Recognition, Spotting, penalty
from mer.models.state import State, class_weights
from mer.models.step import training


@dataclass(frozen=True)
class HeadPlan:
    """How the head is trained: `freeze` as `mer.models.mean_softnet_network.Recognition` has it; Adam's eps is 1e-7."""

    epochs: int
    batch_size: int
    learning_rate: float
    class_weights: str | tuple[float, ...] = "none"
    freeze: Literal["fixed", "reference"] = "reference"
    head_l2: float = HEAD_L2


def train_head(
    x: np.ndarray,
    y: np.ndarray,
    n_classes: int,
    spotting: Mapping[str, np.ndarray],
    plan: HeadPlan,
    seed: int,
    log: Callable[[str], None],
    device: str = "cpu",
    name: str = "naming",
) -> tuple[Recognition, float]:
    """Return the recognition network with a trained head, on `device`, and the loss of its last epoch.

    Args:
        x: (N, 3, 42, 42) float32, scaled as the trunk was trained.
        y: (N,) int64 labels.
        n_classes: C.
        spotting: the arrays of the whole spotting network (`mer.models.mean_softnet_network.Spotting`).
        plan: of the training.
        seed: of the head's weights, batches and dropout; used as it is.
        log: takes one line at a time.
        device: where.
        name: for the lines.

    Raises:
        ModelError: `spotting` is not that network, or the loss is no longer finite.
        ConfigError: the device cannot be used here.
    """
    with loop.reproducible(seed, device) as place:
        trunk = Spotting().to(place)
        loop.restore(trunk, State(dict(spotting)))
        network = Recognition(n_classes, trunk.trunk, plan.freeze).to(place)
        data, wanted = torch.from_numpy(x).to(place), torch.from_numpy(y).to(place)
        weights = torch.from_numpy(class_weights(plan.class_weights, y, n_classes)).to(place, torch.float32)

        def objective(logits: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
            value = loop.weighted_nll(functional.log_softmax(logits, dim=1), wanted[clips.to(place)], weights)
            return value + penalty(network.trunk, network.recog, STREAM_L2, plan.head_l2)

        learned = [p for p in network.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(learned, lr=plan.learning_rate, eps=1e-7)
        step = training(network, data, objective)
        schedule = loop.Schedule(plan.epochs, plan.batch_size)
        final = loop.train(network, step.loss, len(x), schedule, optimiser, log, name, rounded=step.rounded)
    return network, final


def fit(
    x: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    preset: Any,
    start: State,
    seed: int,
    log: Callable[[str], None],
    device: str,
) -> State:
    """Train MEAN's recognition as published, for `mer.models.mean_softnet`; arguments as in `mer.models.contract.Fit`.

    Args:
        start: the spotting network of the fold: its arrays, and `scale` (3,), which must be ones: the published
            features are not scaled.

    Raises:
        ModelError: a trunk of scaled features or another network, or a loss that is no longer finite.
    """
    scale = start.array("scale", (3,))
    if not (scale == 1).all():
        found = "learned from features that were scaled by the fold"
        raise ModelError("trunk", found, "a spotting experiment with protocol: ref", "name another one in train.trunk")
    arrays = {key: value for key, value in start.arrays.items() if key != "scale"}
    plan = HeadPlan(
        preset.epochs, preset.batch_size, preset.learning_rate, preset.class_weights, head_l2=preset.head_l2
    )
    given = np.asarray(x, np.float32), labels.astype(np.int64), n_classes, arrays, plan
    network, final = train_head(*given, derive_seed(seed, "mean"), log, device, "mean")
    with loop.reproducible(0, device) as place:
        told = loop.describe(loop.outputs(network, torch.from_numpy(given[0]).to(place)), labels)
        kept = {**loop.arrays_of(network), "scale": np.ones(3)}
    log(f"mean: head on a trunk that spots, loss {final:.4f}, training accuracy {told['training_accuracy']:.3f}")
    return State(kept, {"n_classes": n_classes, "training_loss": final, **told})


def fresh_trunk() -> State:
    """Return a spotting network that has learned nothing, in the form in which `fit` takes one."""
    with loop.reproducible(0, "cpu"):
        return State({**loop.arrays_of(Spotting()), "scale": np.ones(3, np.float32)})
