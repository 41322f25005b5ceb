"""STSTNet: a shallow triple-stream network on one 28×28 flow image (Liong et al., FG 2019; specs/peers.md §3.2).

Three parallel streams of 3, 5 and 8 filters (3×3, padding 2) see the same three channels u, v, strain; ReLU, batch
normalisation, 3×3 maximum pooling with stride 3, dropout. Their concatenation, 16×10×10, is averaged 2×2 and read by
one linear layer. No filter sees another's output before that layer, so the streams are one convolution with 16
filters, which is how they are computed here. Parameters: 16·(27 + 1) + 2·16 + 400·C + C; 1,683 for three classes.

Presets:

- `published` the authors' recipe: every channel of every image stretched to 0–255 as in the published images, no
  shuffling, plain cross-entropy, batches of 256, Adam with learning rate 5e-5 for 800 epochs.
- `clean` fixed in advance, not tuned: every channel of every image standardised by itself, shuffled batches of 64,
  class-balanced cross-entropy, Adam with weight decay 1e-3 and learning rate 1e-3 for 40 epochs.

The weights after the last epoch are the result; no epoch is chosen on anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models.flow_image import flow_image
from mer.models.loop import reproducible
from mer.models.state import Features, State, class_weights

INPUTS: dict[str, tuple[str, ...]] = {"motion": ("flow", "strain")}
LIBRARIES = ("numpy", "torch")
SIDE = 28
FILTERS = (3, 5, 8)


class Preset(Params):
    """Settings of the input and of the training."""

    scaling: Literal["range255", "standard"]
    shuffle: bool
    class_weights: Literal["balanced", "none"] | tuple[float, ...]
    batch_size: int
    epochs: int
    learning_rate: float
    weight_decay: float
    dropout: float = 0.5


PRESETS: dict[str, Preset] = {
    "clean": Preset(
        scaling="standard",
        shuffle=True,
        class_weights="balanced",
        batch_size=64,
        epochs=40,
        learning_rate=1e-3,
        weight_decay=1e-3,
    ),
    "published": Preset(
        scaling="range255",
        shuffle=False,
        class_weights="none",
        batch_size=256,
        epochs=800,
        learning_rate=5e-5,
        weight_decay=0.0,
    ),
}


class Network(nn.Module):
    """The network: (N, 3, 28, 28) float32 → (N, n_classes) logits."""

    def __init__(self, n_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        width = sum(FILTERS)
        self.streams = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=2),
            nn.ReLU(),
            nn.BatchNorm2d(width),
            nn.MaxPool2d(3, stride=3, padding=1),
            nn.Dropout(dropout),
        )
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(width * 5 * 5, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, n_classes) logits of (N, 3, 28, 28) images."""
        return self.head(self.pool(self.streams(x)).flatten(1))


def scale_image(image: np.ndarray, scaling: str) -> np.ndarray:
    """Scale each channel of a (3, H, W) image from its own values only; returns float32.

    `range255` stretches to 0–255, `standard` to mean 0 and deviation 1. A constant channel becomes 0.
    """
    image = image.astype(np.float64)
    if scaling == "range255":
        low = image.min(axis=(1, 2), keepdims=True)
        spread = (image.max(axis=(1, 2), keepdims=True) - low) / 255.0
    else:
        low = image.mean(axis=(1, 2), keepdims=True)
        spread = image.std(axis=(1, 2), keepdims=True)
    # A constant channel has a spread of rounding errors, not of exactly zero.
    flat = spread <= 1e-12 * np.maximum(1.0, np.abs(low))
    return np.where(flat, 0.0, (image - low) / np.where(flat, 1.0, spread)).astype(np.float32)


def features(clips: Mapping[str, Clip], preset: Preset) -> np.ndarray:
    """Return (3, 28, 28) float32; raises `ModelError` as `mer.models.flow_image.flow_image`."""
    return scale_image(flow_image(clips, SIDE), preset.scaling)


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
        ModelError: the training part has a single class, or the loss is no longer finite.
    """
    if len(np.unique(labels)) < 2:
        raise ModelError("training part", "clips of one class only", "at least two classes", "choose another protocol")
    weight = class_weights(preset.class_weights, labels, n_classes)
    with reproducible(derive_seed(seed, "ststnet"), device) as place:
        net = Network(n_classes, preset.dropout).to(place)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = torch.from_numpy(np.asarray(features)).to(place, memory_format=torch.channels_last)
        y = torch.from_numpy(labels.astype(np.int64)).to(place)
        loss = nn.CrossEntropyLoss(torch.from_numpy(weight).to(place, torch.float32))
        final = _train(net, x, y, loss, preset, log)
        guess = net.eval()(x).argmax(1)
        right = float((guess == y).float().mean())
        arrays = {name: value.cpu().numpy().copy() for name, value in net.state_dict().items()}
    log(f"ststnet: {preset.epochs} epochs, loss {final:.4f}, training accuracy {right:.3f}")
    return State(arrays, {"n_classes": n_classes, "training_loss": final, "training_accuracy": right})


def _train(
    net: Network,
    x: torch.Tensor,
    y: torch.Tensor,
    loss: nn.Module,
    preset: Preset,
    log: Callable[[str], None],
) -> float:
    optimiser = torch.optim.Adam(net.parameters(), lr=preset.learning_rate, weight_decay=preset.weight_decay)
    net.train()
    mean = float("nan")
    for epoch in range(1, preset.epochs + 1):
        # Drawn on the CPU, so that a GPU run sees the same batches.
        order = torch.randperm(len(x)) if preset.shuffle else torch.arange(len(x))
        total = 0.0
        for batch in order.to(x.device).split(preset.batch_size):
            value = loss(net(x[batch]), y[batch])
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            total += float(value.detach()) * len(batch)
        mean = total / len(x)
        if not np.isfinite(mean):
            raise ModelError("training", f"loss {mean} in epoch {epoch}", "a finite loss", "lower the learning rate")
        if epoch % max(1, preset.epochs // 10) == 0:
            log(f"ststnet: epoch {epoch}/{preset.epochs}, loss {mean:.4f}")
    return mean


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 softmax probabilities.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    n_classes = int(state.meta["n_classes"])
    with reproducible(0, device) as place, torch.no_grad():
        net = Network(n_classes).to(place).eval()
        expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}
        arrays = {name: torch.from_numpy(state.array(name, shape).copy()) for name, shape in expected.items()}
        net.load_state_dict(arrays)
        x = torch.from_numpy(np.asarray(features)).to(place)
        # Clip by clip: a convolution may round differently in a larger batch.
        logits = torch.cat([net(image[None]) for image in x]) if len(x) else torch.zeros(0, n_classes)
        return functional.softmax(logits.double(), dim=1).cpu().numpy()
