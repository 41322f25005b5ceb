"""Training a spotting network on chosen positions, and its scores along a recording (specs/mean-softnet.md §4-§6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from mer.core.device import float32_products
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.grouping import deal_groups
from mer.models.mean_softnet_network import SoftNet, Spotting, spotting_loss
from mer.models.state import State
from mer.models.step import training
from mer.spotting.context import energies
from mer.spotting.experiment import SpottingExperiment
from mer.spotting.labels import balance_mean, balance_softnet, centred_labels, half_length, pseudo_labels
from mer.spotting.recordings import Recording, at, blocks

Log = Callable[[str], None]


def build(model: str) -> SoftNet | Spotting:
    """Return the network named `mean` or `softnet` with fresh weights from torch's random state."""
    return Spotting() if model == "mean" else SoftNet()


def half_of(recordings: Sequence[Recording], kind: str) -> int:
    """Return k_p of the recordings' expressions of one kind.

    Raises:
        ModelError: there is none.
    """
    spans = np.concatenate([np.zeros((0, 2), np.int64), *(one.intervals(kind)[:, [0, 2]] for one in recordings)])
    if not len(spans):
        raise ModelError("training part", f"no {kind}-expression", "at least one", "choose another protocol or kind")
    return half_length(spans)


def targets(recording: Recording, kind: str, experiment: SpottingExperiment, half: int) -> np.ndarray:
    """Return the 0/1 target (P,) float32 of every position of a recording."""
    if experiment.protocol == "fixed":
        return fixed_targets(recording, kind)
    spans = recording.intervals(kind)[:, [0, 2]]
    softnet = experiment.model == "softnet"
    return pseudo_labels(recording.positions, spans, recording.distance if softnet else half, late=softnet)


def fixed_targets(recording: Recording, kind: str) -> np.ndarray:
    """Return the 0/1 target (P,) float32 of every position of a recording under `fixed`, whatever the model."""
    return centred_labels(recording.positions, recording.intervals(kind)[:, [0, 2]], recording.distance // 2)


def gather(
    recordings: Sequence[Recording], kind: str, experiment: SpottingExperiment, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the balanced training positions: features (N, 3, 42, 42) float32 and targets (N,) float32.

    Raises:
        ModelError: no position is part of an expression.
    """
    published, recipe = experiment.protocol == "ref", experiment.recipe
    half = int(experiment.halves[kind]) if published else half_of(recordings, kind)
    labels = [targets(recording, kind, experiment, half) for recording in recordings]
    joined = np.concatenate(labels)
    if not joined.any():
        raise ModelError("training part", f"no position within a {kind}-expression", "at least one")
    rng = np.random.default_rng(derive_seed(seed, "balance"))
    kept = balance_softnet(joined, rng) if experiment.model == "softnet" else balance_mean(joined, rng, recipe.ratio)
    if len(kept) > recipe.most:
        kept = np.sort(rng.choice(kept, recipe.most, replace=False))
    first = np.concatenate([[0], np.cumsum([len(part) for part in labels])])
    parts = []
    for k, recording in enumerate(recordings):
        positions = kept[(kept >= first[k]) & (kept < first[k + 1])] - first[k]
        if len(positions):
            parts.append(at(recording.features, positions))
    return np.concatenate(parts), joined[kept]


def scale_of(x: np.ndarray, protocol: str) -> np.ndarray:
    """Return the divisors (3,) float32 of the channels: root mean squares of training positions, ones for `ref`."""
    if protocol == "ref":
        return np.ones(3, np.float32)
    root = np.sqrt(np.square(x, dtype=np.float64).mean(axis=(0, 2, 3)))
    return np.where(root > 0, root, 1.0).astype(np.float32)


def train(x: np.ndarray, y: np.ndarray, experiment: SpottingExperiment, seed: int, log: Log) -> State:
    """Train the network and return its state: weights and `scale`.

    Args:
        x: (N, 3, 42, 42) float32 features as stored.
        y: (N,) float32 targets.
        experiment: network, protocol, budget and device.
        seed: decides weights and batches.
        log: takes one line at a time.
    """
    model, protocol, recipe = experiment.model, experiment.protocol, experiment.recipe
    scale = scale_of(x, protocol)
    with loop.reproducible(derive_seed(seed, "spotting"), experiment.device) as place:
        network = build(model).to(place)
        data = torch.from_numpy(x / scale[:, None, None]).to(place)
        wanted = torch.from_numpy(y).to(place)

        def objective(scores: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
            return spotting_loss(network, scores, wanted[clips.to(place)])

        optimiser = optimiser_of(network, experiment)
        schedule = loop.Schedule(recipe.epochs, experiment.batch_size)
        step = training(network, data, objective)
        final = loop.train(network, step.loss, len(x), schedule, optimiser, log, model, rounded=step.rounded)
        arrays = {**loop.arrays_of(network), "scale": scale}
    return State(arrays, {"model": model, "protocol": protocol, "training_loss": final})


def optimiser_of(network: torch.nn.Module, experiment: SpottingExperiment) -> torch.optim.Optimizer:
    """Return what trains a network: as published under `ref`, Adam otherwise."""
    rate, published = experiment.recipe.learning_rate, experiment.protocol == "ref"
    # SOFTNet's own plain descent learns nothing in its ten epochs when values are in pixels.
    if experiment.model == "softnet" and published:
        return torch.optim.SGD(network.parameters(), lr=rate)
    # Keras' Adam adds 1e-7 where PyTorch's adds 1e-8.
    return torch.optim.Adam(network.parameters(), lr=rate, eps=1e-7 if published else 1e-8)


class Scorer:
    """A trained spotting network, ready to score features.

    Raises:
        ModelError: the state does not hold this network.
    """

    def __init__(self, state: State, device: str = "cpu") -> None:
        self.network = build(str(state.meta["model"])).to(device).eval()
        self.scale = state.array("scale", (3,)).astype(np.float32)[:, None, None]
        self.device = device
        loop.restore(self.network, State({k: v for k, v in state.arrays.items() if k != "scale"}, state.meta))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return (N,) float64 scores of features (N, 3, 42, 42)."""
        with float32_products(), torch.no_grad():
            values = self.network(torch.from_numpy(x / self.scale).to(self.device))
        return values.double().cpu().numpy()

    def traces(self, x: np.ndarray) -> np.ndarray:
        """Return scores and energies (N, 7) float64 of features (N, 3, 42, 42): what a context looks at."""
        return np.concatenate([self(x)[:, None], energies(x)], axis=1)

    def along(self, recording: Recording) -> np.ndarray:
        """Return the traces (P, 7) of every position of a recording."""
        return np.concatenate([self.traces(part) for part in blocks(recording.features)])


def parts_of(
    recordings: Sequence[Recording], count: int, seed: int
) -> Iterator[tuple[list[Recording], list[Recording]]]:
    """Yield (train, held out) for inner parts of whole persons, about `count` of them, each person held out once."""
    groups = [recording.video.group for recording in recordings]
    count = min(count, len(set(groups)))
    dealt = deal_groups(groups, count, derive_seed(seed, "inner"))
    for part in range(count):
        inside = [r for r in recordings if dealt[r.video.group] != part]
        outside = [r for r in recordings if dealt[r.video.group] == part]
        yield inside, outside
