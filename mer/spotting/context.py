"""What happens around a position: the step that tells an expression from speech, a turn of the head or a longer
movement.

A frame pair shows that something moves, not for how long nor what goes before and after: a syllable looks like the
beginning of a smile. So the `fixed` protocol looks at traces of the whole recording (the network's score, and how
much moves in the upper and the lower face) at fixed times around each position, and an ensemble of small networks
says how likely it lies within an expression. It is trained on the scores that the spotting network gave to persons
whom it had not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.state import State

TRACES = 7
STEPS = 17
REACH = {"micro": 0.8, "macro": 1.6}
BRIGHTEST = 40
FLOOR = 0.02
HIDDEN, MEMBERS, BATCH = 24, 5, (64, 192)
LIMIT = 4.0


def energies(x: np.ndarray) -> np.ndarray:
    """Return how much moves in features (N, 3, 42, 42), (N, 6) float64 >= 0.

    The mean of the 40 largest displacements of the upper and of the lower half, the same of strain, and the mean
    displacement of both halves. Pixels of the crop; strain without unit.
    """
    moved = np.hypot(x[:, 0], x[:, 1]).astype(np.float64)
    half = moved.shape[1] // 2
    parts = (moved[:, :half], moved[:, half:], x[:, 2, :half], x[:, 2, half:])
    largest = [np.sort(part.reshape(len(x), -1), axis=1)[:, -BRIGHTEST:].mean(axis=1) for part in parts]
    return np.stack([*largest, parts[0].mean(axis=(1, 2)), parts[1].mean(axis=(1, 2))], axis=1)


def contexts(traces: np.ndarray, fps: float, kind: str) -> np.ndarray:
    """Return what surrounds every position, (P, 17 · 7) float32.

    Args:
        traces: (P, 7): the network's score, then `energies`, of one whole recording.
        fps: frames per second.
        kind: micro or macro: how far to look.
    """
    values = np.concatenate([traces[:, :1], np.log(traces[:, 1:] + FLOOR)], axis=1)
    # Noise and the size of the face differ between recordings; rest is what most of one is.
    values = values - np.median(values, axis=0)
    offsets = np.rint(np.linspace(-REACH[kind], REACH[kind], STEPS) * fps).astype(int)
    places = np.clip(np.arange(len(values))[:, None] + offsets, 0, len(values) - 1)
    return values[places].reshape(len(values), -1).astype(np.float32)


class Members(nn.Module):
    """Small networks side by side: (N, K) → (members, N) logits."""

    def __init__(self, width: int) -> None:
        super().__init__()
        nets = [
            nn.Sequential(nn.Dropout(0.1), nn.Linear(width, HIDDEN), nn.Tanh(), nn.Dropout(0.3), nn.Linear(HIDDEN, 1))
            for _ in range(MEMBERS)
        ]
        self.members = nn.ModuleList(nets)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return torch.stack([member(x)[:, 0] for member in self.members])


def fit(x: np.ndarray, y: np.ndarray, steps: int, seed: int) -> State:
    """Train on contexts (N, K) float32 and targets (N,) of 0 and 1; return weights, `mean` and `spread`.

    Raises:
        ModelError: one kind of target only.
    """
    places = [np.flatnonzero(y > 0), np.flatnonzero(y <= 0)]
    if not all(map(len, places)):
        raise ModelError("training part", "positions of one kind only", "some within and some outside an expression")
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-3
    rng = np.random.default_rng(derive_seed(seed, "context"))
    with loop.reproducible(derive_seed(seed, "context"), "cpu"):
        network = Members(x.shape[1])
        data = _scaled(x, mean, spread)
        # Ends of an expression are a matter of opinion: nothing is certain.
        wanted = torch.from_numpy(y.astype(np.float32)) * 0.95 + 0.02
        optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=3e-3)
        network.train()
        for _ in range(steps):
            batch = np.concatenate([rng.choice(place, count) for place, count in zip(places, BATCH, strict=True)])
            logits = network(data[batch])
            value = functional.binary_cross_entropy_with_logits(logits, wanted[batch].expand_as(logits))
            optimiser.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        arrays = loop.arrays_of(network)
    return State({**arrays, "mean": mean.astype(np.float32), "spread": spread.astype(np.float32)})


def _scaled(x: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.clip((x - mean) / spread, -LIMIT, LIMIT).astype(np.float32))


class Context:
    """A trained context, ready to judge recordings; raises `ModelError` when the state does not hold one."""

    def __init__(self, state: State) -> None:
        width = STEPS * TRACES
        self.mean, self.spread = state.array("mean", (width,)), state.array("spread", (width,))
        self.network = Members(width).eval()
        loop.restore(self.network, State({k: v for k, v in state.arrays.items() if k not in ("mean", "spread")}))

    def along(self, traces: np.ndarray, fps: float, kind: str) -> np.ndarray:
        """Return the mean probability (P,) float64 of the traces (P, 7) of one recording."""
        with torch.no_grad():
            logits = self.network(_scaled(contexts(traces, fps, kind), self.mean, self.spread))
        probability: np.ndarray = torch.sigmoid(logits.double()).mean(dim=0).numpy()
        return probability


@dataclass(frozen=True)
class Traced:
    """One training recording: traces (P, 7) from a network that has not seen it, targets (P,), frame rate, person."""

    traces: np.ndarray
    target: np.ndarray
    fps: float
    group: str


def fit_traced(recordings: Sequence[Traced], kind: str, steps: int, seed: int) -> State:
    """Train on recordings; raises as `fit`."""
    x = np.concatenate([contexts(one.traces, one.fps, kind) for one in recordings])
    return fit(x, np.concatenate([one.target for one in recordings]), steps, seed)


def held_out_curves(
    recordings: Sequence[Traced], kind: str, parts: Sequence[int], steps: int, seed: int
) -> list[np.ndarray]:
    """Return the curve of every recording from a context that was trained on the other parts.

    Args:
        recordings: in any order.
        kind: micro or macro.
        parts: part of each recording; all of a person's are in one.
        steps: of the training.
        seed: of the training.
    """
    curves: dict[int, Any] = {}
    for part in sorted(set(parts)):
        inside = [one for one, its_part in zip(recordings, parts, strict=True) if its_part != part]
        context = Context(fit_traced(inside, kind, steps, derive_seed(seed, "part", part)))
        for k, (one, its_part) in enumerate(zip(recordings, parts, strict=True)):
            if its_part == part:
                curves[k] = context.along(one.traces, one.fps, kind)
    return [curves[k] for k in range(len(recordings))]
