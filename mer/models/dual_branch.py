"""The dual-branch 3-D CNN with GRU and a new attention (ICIP 2024; specs/dual-branch.md §2).

A clip of face images enters two convolutions, of 5³ and 3³, whose results are joined and convolved again; EC-CBAM
weighs channels by the difference of their largest and their mean response, and voxels by a map per channel; every time
step is squeezed to 64 values, a GRU reads the steps, and two dense layers classify each of them.

Presets:

- `small` the same network at 6 frames of 36 pixels and a quarter of the channels, for a CPU core; it sees what changed
  since the first frame, because so small a network does not find the expression under the face.
- `clean` the published layers with the published defects resolved: frames evenly from onset to offset, values
  standardised by the training clips, batch normalisation in the stem, a balanced loss of mean weight 1, every time step
  read, mirrored and slightly rotated copies.
- `icip2024`, `icip2024_smic` as published: the first 30 (10) frames, values centred and divided by their maximum (of
  the training clips only), weights 0.3/0.35/0.35 that scale the loss, decision from the first time step. The published
  labels fit no number of steps and could not train; here each step has the clip's label.
- `icip2024_p3` pooling by 3, GRU of 512, head 128–64: the 2.0 M parameters of the authors' own later tables.
- `icip2024_cbam`, `icip2024_figure` its ablations: plain CBAM, and EC-CBAM as the paper draws it.

Published presets give the class weights of a three-class problem; other class sets need `class_weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.core.container import Clip
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.dual_branch_augment import augmented
from mer.models.dual_branch_blocks import (
    ATTENTIONS,
    SLOPE,
    BlockAttention,
    Bottleneck,
    Stem,
    dense,
    recurrent,
    step_width,
)
from mer.models.dual_branch_clip import Frames, Sampler, positions, read
from mer.models.state import Features, State, class_weights

INPUTS: dict[str, tuple[str, ...]] = {"clip": ("frames",)}
LIBRARIES = ("numpy", "torch")
SOURCE_WEIGHTS = (0.3, 0.35, 0.35)


class Training(Params):
    """Settings of input and training that both dual-branch systems have; the defaults are the published ones."""

    frames: int = 30
    size: int = 128
    sampler: Sampler = "first_n"
    view: Literal["frames", "change"] = "frames"
    scaling: Literal["source", "standard"] = "source"
    augment: bool = False
    dropout: float = 0.5
    l2: float = 0.01
    class_weights: Literal["balanced", "none"] | tuple[float, ...] = SOURCE_WEIGHTS
    epochs: int = 200
    batch_size: int = 8
    learning_rate: float = 1e-3
    rate_step: int = 0
    rate_gamma: float = 0.9
    readout: Literal["first", "last", "mean"] = "mean"


class Preset(Training):
    """Settings of the network; the defaults are the published CASME II network."""

    width: int = 32
    trunk: int = 32
    pool: int = 2
    norm: bool = False
    attention: Literal["eccbam", "eccbam_sum", "eccbam_figure", "cbam"] = "eccbam"
    bottleneck: tuple[int, int] = (128, 64)
    gru: int = 1024
    head: tuple[int, ...] = (32,)
    readout: Literal["first", "last", "mean"] = "first"


_CLEAN = Preset(
    sampler="uniform", scaling="standard", norm=True, class_weights="balanced", readout="mean", augment=True
)
_P3 = Preset(pool=3, gru=512, head=(128, 64), frames=10, dropout=0.3)
PRESETS: dict[str, Preset] = {
    "small": _CLEAN.model_copy(
        update={
            "frames": 6,
            "size": 36,
            "view": "change",
            "width": 8,
            "trunk": 16,
            "bottleneck": (64, 32),
            "gru": 64,
            "dropout": 0.3,
            "l2": 1e-3,
            "epochs": 30,
        }
    ),
    "clean": _CLEAN,
    "icip2024": Preset(),
    "icip2024_smic": Preset(frames=10, dropout=0.3),
    "icip2024_p3": _P3,
    "icip2024_cbam": _P3.model_copy(update={"attention": "cbam"}),
    "icip2024_figure": _P3.model_copy(update={"attention": "eccbam_figure"}),
}


class Network(nn.Module):
    """Clips (B, 3, T, S, S) float32 RGB, scaled by `scale` → log-probabilities (B, T', n_classes) of every step."""

    def __init__(self, preset: Preset, n_classes: int) -> None:
        super().__init__()
        self.stem = Stem(preset.width, preset.trunk, preset.pool, preset.norm)
        self.attention = BlockAttention(preset.trunk, ATTENTIONS[preset.attention])
        inputs = step_width(preset.size, preset.pool, preset.trunk)
        self.bottleneck = Bottleneck(inputs, preset.bottleneck, preset.dropout, third=True)
        self.gru = recurrent(preset.bottleneck[1], preset.gru)
        self.head = classifier((preset.gru, *preset.head), n_classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """Return (B, T', n_classes) log-probabilities."""
        steps = self.bottleneck(self.attention(self.stem(clip, clip)))
        return functional.log_softmax(self.head(self.gru(steps)[0]), dim=-1)

    def penalised(self) -> list[torch.Tensor]:
        """Return the kernels under the L2 penalty."""
        return self.bottleneck.penalised() + self.attention.penalised()


def classifier(widths: tuple[int, ...], n_classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Return dense layers with leaky ReLU, dropout after each, and a last one with a Glorot kernel."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [dense(inputs, outputs), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
    return nn.Sequential(*layers, dense(widths[-1], n_classes, nn.init.xavier_uniform_))


def build(preset: Preset, n_classes: int) -> Network:
    """Return the network of a preset with fresh weights from torch's random state."""
    return Network(preset, n_classes)


def read_out(log_probabilities: torch.Tensor, readout: str) -> torch.Tensor:
    """Return (B, C) of per-step log-probabilities (B, T, C): the `first` step, the `last`, or their `mean`."""
    if readout == "mean":
        return log_probabilities.mean(dim=1)
    return log_probabilities[:, 0 if readout == "first" else -1]


def step_loss(log_probabilities: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted cross-entropy of (B, T, C) against the clips' labels (B,), mean over clips and steps."""
    steps = log_probabilities.shape[1]
    return loop.weighted_nll(log_probabilities.flatten(0, 1), labels.repeat_interleave(steps), weights)


def features(clips: Mapping[str, Clip], preset: Preset) -> np.ndarray:
    """Return (3, T, S, S) float32 RGB in 0–1, or in -1–1 as change from the clip's first chosen frame.

    Raises:
        ModelError: the product is not one of colour frames, or has several magnification factors.
        ClipError: onset, offset or apex is needed and unknown.
    """
    frames = Frames(clips["clip"])
    at = positions(clips["clip"], frames, preset.sampler, preset.frames)
    return viewed(read(frames, at, preset.size), preset.view)


def viewed(clip: np.ndarray, view: str) -> np.ndarray:
    """Return a clip (3, T, S, S) as it is (`frames`), or less its first frame (`change`), which takes the face away."""
    return clip if view == "frames" else clip - clip[:, :1]


def scale_of(x: np.ndarray, scaling: str) -> np.ndarray:
    """Return (2,) float64 centre and divisor of training clips (N, ...) for `scale`.

    `source` divides by the largest centred value, as published; `standard` by the standard deviation.
    """
    centre = x.mean(dtype=np.float64)
    spread = x.max() - centre if scaling == "source" else x.std(dtype=np.float64)
    return np.array([centre, max(float(spread), 1e-6)])


def scale(x: torch.Tensor, factors: np.ndarray) -> torch.Tensor:
    """Return (x - centre) / divisor."""
    return (x - float(factors[0])) / float(factors[1])


def fit(
    features: Features,
    labels: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
    preset: Preset,
    seed: int,
    log: Callable[[str], None],
    device: str = "cpu",
) -> State:
    """Train for the preset's epochs; see `mer.models.registry` for the arguments.

    Raises:
        ModelError: one class only, weights of another class set, or a loss that is no longer finite.
    """
    x = {"clip": np.asarray(features)}
    with loop.reproducible(derive_seed(seed, "dual_branch"), device) as place:
        return optimise(build(preset, n_classes).to(place), x, labels, n_classes, preset, log, place)


def optimise(
    network: nn.Module,
    x: Mapping[str, np.ndarray],
    labels: np.ndarray,
    n_classes: int,
    preset: Training,
    log: Callable[[str], None],
    place: torch.device,
) -> State:
    """Train a dual-branch network whose inputs are the arrays of `x`, in order, each scaled by its own statistics."""
    loop.require_classes(labels)
    weights = torch.from_numpy(class_weights(preset.class_weights, labels, n_classes)).to(place, torch.float32)
    factors = {name: scale_of(value, preset.scaling) for name, value in x.items()}
    y = torch.from_numpy(labels.astype(np.int64))
    penalised = network.penalised()  # type: ignore[operator]
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def loss(batch: torch.Tensor) -> torch.Tensor:
        inputs = _inputs(x, batch, factors)
        inputs = augmented(inputs) if preset.augment else inputs
        value = step_loss(network(*_on(place, inputs)), y[batch].to(place), weights)
        return value + loop.l2_penalty(penalised, preset.l2)

    optimiser = torch.optim.Adam(network.parameters(), lr=preset.learning_rate, eps=1e-7)
    plan = loop.Plan(preset.epochs, preset.batch_size, preset.rate_step, preset.rate_gamma)
    name = type(network).__module__.rsplit(".", 1)[-1]
    final = loop.train(network, loss, len(labels), plan, optimiser, log, name)
    told = loop.describe(_scores(network, x, factors, n_classes, preset, place), labels)
    log(f"{name}: loss {final:.4f}, {', '.join(f'{key} {value:.3f}' for key, value in told.items())}")
    arrays = {**loop.arrays_of(network), **{f"scale.{key}": value for key, value in factors.items()}}
    meta = {"n_classes": n_classes, "preset": preset.model_dump(mode="json"), "training_loss": final, **told}
    return State(arrays, meta)


def _inputs(x: Mapping[str, np.ndarray], batch: torch.Tensor, factors: Mapping[str, np.ndarray]) -> list[torch.Tensor]:
    return [scale(torch.from_numpy(x[name][batch.numpy()]), factors[name]) for name in x]


def _on(place: torch.device, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    # Channels last: half the time of a training step on a CPU.
    return [value.to(place, memory_format=torch.channels_last_3d) for value in inputs]


def _scores(
    network: nn.Module,
    x: Mapping[str, np.ndarray],
    factors: Mapping[str, np.ndarray],
    n_classes: int,
    preset: Training,
    place: torch.device,
) -> np.ndarray:
    def logits(batch: torch.Tensor) -> torch.Tensor:
        return read_out(network(*_on(place, _inputs(x, batch, factors))), preset.readout)

    return loop.scores(network, len(next(iter(x.values()))), n_classes, logits)


def restored_scores(
    network: nn.Module, state: State, x: Mapping[str, np.ndarray], preset: Training, place: torch.device
) -> np.ndarray:
    """Fill the network from a checkpoint and return the probabilities (N, C) of clips."""
    loop.restore(network, state)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    factors = {name: state.array(f"scale.{name}", (2,)) for name in x}
    return _scores(network, x, factors, int(state.meta["n_classes"]), preset, place)


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 probabilities.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    preset = Preset.model_validate(state.meta["preset"])
    with loop.reproducible(0, device) as place:
        network = build(preset, int(state.meta["n_classes"])).to(place)
        return restored_scores(network, state, {"clip": np.asarray(features)}, preset, place)
