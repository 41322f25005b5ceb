"""AMAN: attention over magnification factors and over frames (ICASSP 2022; specs/aman-magnet-rife.md §A).

Frames between onset and offset are magnified at several factors; a residual network turns each image into a vector. A
sigmoid score per vector averages the factors of a frame, a second one the frames of the clip, and a linear layer
classifies. Both averages are over sets: the order of frames and of factors is not seen.

The trunk (`mer.networks.resnet18`) is never trained. Its weights are random, from `trunk_seed`, unless `weights` names
a file of face-expression or ImageNet weights; a checkpoint records which. With random weights the published accuracy
is out of reach.

Presets:

- `small` vectors of the whole frozen trunk at 96 pixels and 5 frames: only scores and classifier are trained.
- `pooled` the same at the published 224 pixels and 11 frames.
- `clean` the fourth layer is trained, from the trunk's weights, with all images of a batch in one normalisation;
  balanced loss. For a GPU.
- `published` the fourth layer starts from random weights, plain loss.

The published extraction normalised each group of nine images by its own statistics; here the trunk's own are used.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.core.container import Clip
from mer.core.errors import ClipError, ModelError
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.dual_branch_clip import event
from mer.models.flow_image import area_pool
from mer.models.state import Features, State, class_weights
from mer.networks import resnet18

INPUTS: dict[str, tuple[str, ...]] = {"magnified": ("frames", "alphas")}
LIBRARIES = ("numpy", "torch", "safetensors")
WIDTH = 512
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Preset(Params):
    """Settings of input, network and training; the defaults are the published ones."""

    variant: Literal["layer4", "pooled"] = "layer4"
    frames: int = 11
    size: int = 224
    weights: str | None = None
    trunk_seed: int = 0
    input_norm: Literal["imagenet", "none"] = "imagenet"
    layer4_init: Literal["random", "trunk"] = "random"
    layer4_norm: Literal["batch", "frozen"] = "batch"
    standardise: bool = False
    class_weights: Literal["balanced", "none"] | tuple[float, ...] = "none"
    epochs: int = 50
    batch_size: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    rate_step: int = 30
    rate_gamma: float = 0.2


_POOLED = Preset(variant="pooled", standardise=True, class_weights="balanced")
PRESETS: dict[str, Preset] = {
    "small": _POOLED.model_copy(update={"size": 96, "frames": 5}),
    "pooled": _POOLED,
    "clean": Preset(layer4_init="trunk", class_weights="balanced"),
    "published": Preset(),
}


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
    """Maps (B, n, K, 256, h, w) of the trunk's third layer, or vectors (B, n, K, 512) → (B, n_classes) logits.

    Args:
        n_classes: C.
        layer4: the fourth layer, trained; None for the variant that gets vectors.
        frozen_norm: its batch normalisation keeps its statistics.
    """

    def __init__(self, n_classes: int, layer4: nn.Module | None = None, frozen_norm: bool = False) -> None:
        super().__init__()
        self.layer4 = layer4
        self.frozen_norm = frozen_norm
        self.factors, self.frames = SetPooling(), SetPooling()
        self.out = nn.Linear(WIDTH, n_classes)

    def train(self, mode: bool = True) -> Network:
        """Set training mode as nn.Module does, but for frozen normalisation."""
        super().train(mode)
        if self.frozen_norm and self.layer4 is not None:
            self.layer4.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, n_classes) logits."""
        if self.layer4 is not None:
            # One call, so that batch normalisation sees all frames and factors at once.
            x = self.layer4(x.flatten(0, 2)).mean(dim=(2, 3)).unflatten(0, x.shape[:3])
        return self.out(self.frames(self.factors(x)))


@lru_cache(maxsize=2)
def trunk(weights: str | None, seed: int) -> resnet18.ResNet18:
    """Return the frozen trunk, read once per process.

    Raises:
        ModelError: the weight file cannot be used.
    """
    network = resnet18.seeded(seed) if weights is None else resnet18.load(weights)
    return network.requires_grad_(False)


def build(preset: Preset, n_classes: int) -> Network:
    """Return the trained part of a preset's network, fresh from torch's random state or the trunk's fourth layer.

    Raises:
        ModelError: the weight file cannot be used.
    """
    if preset.variant == "pooled":
        return Network(n_classes)
    frozen = preset.layer4_norm == "frozen"
    if preset.layer4_init == "random":
        return Network(n_classes, resnet18.layer(256, WIDTH, 2), frozen)
    own = copy.deepcopy(trunk(preset.weights, preset.trunk_seed).layer4).requires_grad_(True)
    return Network(n_classes, own, frozen)


def frame_indices(onset: int, offset: int, n: int) -> np.ndarray:
    """Return (n,) int64 indices evenly from the frame after the onset to the offset, some twice in a short clip.

    The onset is left out: it is what the others are magnified from. Halves round to the even index.
    """
    return np.rint(np.linspace(onset + 1, offset, n)).astype(np.int64)


def features(clips: Mapping[str, Clip], preset: Preset) -> np.ndarray:
    """Return the trunk's view of n frames at K factors: (n, K, 256, h, w) or, pooled, (n, K, 512) float32.

    Raises:
        ModelError: the product is not of magnified colour frames, or the weight file cannot be used.
        ClipError: onset or offset is unknown, or no frame follows the onset.
    """
    clip = clips["magnified"]
    frames = clip.lazy("frames")
    if frames.ndim != 5 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        where = f"{clip.group.file.filename} clip {clip.sample_id}"
        raise ModelError(
            where, f"frames {frames.shape}, {frames.dtype}", "uint8 (A, F, S, S, 3)", "name a magnify product"
        )
    onset, offset = (event(clip, name, frames.shape[1]) for name in ("onset", "offset"))
    if offset <= onset:
        raise ClipError(clip.sample_id, f"offset {offset} does not follow onset {onset}", "at least one frame between")
    indices = frame_indices(onset, offset, preset.frames)
    network = trunk(preset.weights, preset.trunk_seed)
    views: dict[int, np.ndarray] = {}
    with loop.reproducible(0, "cpu"), torch.no_grad():
        for index in sorted(set(indices.tolist())):
            images = prepare(np.asarray(frames[:, index]), preset)
            views[index] = (network(images) if preset.variant == "pooled" else network.maps(images)).numpy()
    return np.stack([views[index] for index in indices.tolist()])


def prepare(images: np.ndarray, preset: Preset) -> torch.Tensor:
    """Return (K, 3, S, S) float32 of (K, H, W, 3) uint8 RGB: averaged by area to the size, 0–1, perhaps normalised."""
    small = torch.from_numpy((area_pool(images.transpose(0, 3, 1, 2), preset.size) / 255.0).astype(np.float32))
    if preset.input_norm == "none":
        return small
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
    return (small - mean) / deviation


def fold_scale(x: np.ndarray, standardise: bool) -> np.ndarray:
    """Return (2, 512) float64 mean and deviation of each value over training vectors (N, n, K, 512), or 0 and 1."""
    if not standardise:
        return np.stack([np.zeros(WIDTH), np.ones(WIDTH)])
    flat = x.reshape(-1, WIDTH).astype(np.float64)
    deviation = flat.std(axis=0)
    return np.stack([flat.mean(axis=0), np.where(deviation > 1e-12, deviation, 1.0)])


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
    loop.require_classes(labels)
    x = np.asarray(features)
    pooled = preset.variant == "pooled"
    scale = fold_scale(x, preset.standardise) if pooled else np.zeros((2, WIDTH))
    with loop.reproducible(derive_seed(seed, "aman"), device) as place:
        network = build(preset, n_classes).to(place)
        y = torch.from_numpy(labels.astype(np.int64)).to(place)
        weights = torch.from_numpy(class_weights(preset.class_weights, labels, n_classes)).to(place, torch.float32)

        def loss(batch: torch.Tensor) -> torch.Tensor:
            logits = network(_view(x[batch.numpy()], scale, pooled).to(place))
            return loop.weighted_nll(functional.log_softmax(logits, dim=1), y[batch.to(place)], weights)

        optimiser = torch.optim.RMSprop(network.parameters(), lr=preset.learning_rate, weight_decay=preset.weight_decay)
        plan = loop.Plan(preset.epochs, preset.batch_size, preset.rate_step, preset.rate_gamma)
        final = loop.train(network, loss, len(x), plan, optimiser, log, "aman")
        told = loop.describe(_scores(network, x, scale, n_classes, pooled, place), labels)
        arrays = {**loop.arrays_of(network), "scale": scale}
    origin = resnet18.record(preset.weights, preset.trunk_seed)
    log(f"aman: trunk {origin}; loss {final:.4f}, {', '.join(f'{key} {value:.3f}' for key, value in told.items())}")
    meta = {"n_classes": n_classes, "preset": preset.model_dump(mode="json"), "training_loss": final, **told}
    return State(arrays, meta | {"trunk": origin})


def _view(x: np.ndarray, scale: np.ndarray, pooled: bool) -> torch.Tensor:
    return torch.from_numpy(((x - scale[0]) / scale[1]).astype(np.float32) if pooled else x)


def _scores(
    network: Network, x: np.ndarray, scale: np.ndarray, n_classes: int, pooled: bool, place: torch.device
) -> np.ndarray:
    def logits(batch: torch.Tensor) -> torch.Tensor:
        return network(_view(x[batch.numpy()], scale, pooled).to(place))

    return loop.scores(network, len(x), n_classes, logits)


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 probabilities.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    preset = Preset.model_validate(state.meta["preset"])
    n_classes, x = int(state.meta["n_classes"]), np.asarray(features)
    pooled = preset.variant == "pooled"
    with loop.reproducible(0, device) as place:
        # The checkpoint holds the fourth layer; the weight file is not needed to build it.
        network = build(preset.model_copy(update={"layer4_init": "random"}), n_classes).to(place)
        loop.restore(network, state)
        return _scores(network, x, state.array("scale", (2, WIDTH)), n_classes, pooled, place)
