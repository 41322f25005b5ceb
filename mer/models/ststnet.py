"""STSTNet: a shallow triple-stream network on one 28×28 flow image (Liong et al., FG 2019; specs/peers.md §3.2).

Three parallel streams of 3, 5 and 8 filters (3×3, padding 2) see the same three channels u, v, strain; ReLU, batch
normalisation, 3×3 maximum pooling with stride 3, dropout. Their concatenation, 16×10×10, is averaged 2×2 and read by
one linear layer (`mer.models.ststnet_network`). Parameters: 16·(27 + 1) + 2·16 + 400·C + C; 1,683 for three classes.

Presets:

- `published` the authors' recipe: every channel of every image stretched to 0–255 as in the published images, no
  shuffling, plain cross-entropy, batches of 256, Adam with learning rate 5e-5 for 800 epochs.
- `clean` fixed in advance, not tuned: every channel of every image standardised by itself, shuffled batches of 64,
  class-balanced cross-entropy, Adam with weight decay 1e-3 and learning rate 1e-3 for 40 epochs.

The weights after the last epoch are the result; no epoch is chosen on anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mer.core.container import Clip
from mer.core.params import Params
from mer.models.contract import Model
from mer.models.flow_image import flow_image
from mer.models.state import Features, State

if TYPE_CHECKING:
    from mer.models.shallow import Lesson
    from mer.models.ststnet_network import Ststnet

INPUTS: dict[str, tuple[str, ...]] = {"motion": ("flow", "strain")}
LIBRARIES = ("numba", "numpy", "torch")
SIDE = 28


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


def build(preset: Preset, n_classes: int) -> Ststnet:
    """Return the network with fresh weights from torch's random state."""
    from mer.models.ststnet_network import Ststnet

    return Ststnet(n_classes, preset.dropout)


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


def _lesson(preset: Preset) -> Lesson:
    from mer.models.loop import Plan
    from mer.models.objective import CrossEntropy
    from mer.models.shallow import Lesson

    return Lesson(
        name="ststnet",
        build=lambda n_classes: build(preset, n_classes),
        loss=CrossEntropy(over="weights"),
        plan=Plan(preset.epochs, preset.batch_size, shuffle=preset.shuffle),
        rate=preset.learning_rate,
        eps=1e-8,
        decay=preset.weight_decay,
        weights=preset.class_weights,
    )


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
    """Train for the preset's epochs; see `mer.models.contract.Fit`."""
    from mer.models import shallow

    return shallow.fit(_lesson(preset), features, labels, n_classes, seed, log, device)


def fit_together(
    features: Features,
    shares: Sequence[Any],
    n_classes: int,
    preset: Preset,
    log: Callable[[str], None],
    device: str = "cpu",
) -> list[State]:
    """Train several folds at once; see `mer.models.shallow.fit_together`."""
    from mer.models import shallow

    return shallow.fit_together(_lesson(preset), features, shares, n_classes, log, device)


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 probabilities.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    from mer.models import shallow
    from mer.models.ststnet_network import Ststnet

    return shallow.predict(Ststnet, state, features, device, scaled=False)


def parameters(preset: Preset, n_classes: int) -> int:
    """Return how many numbers one fold trains."""
    import torch

    from mer.models.loop import parameter_count

    # Without values: nothing is drawn or filled.
    with torch.device("meta"):
        return parameter_count(build(preset, n_classes))


MODEL = Model(
    presets=PRESETS,
    inputs=INPUTS,
    settings=("batch_size", "class_weights", "dropout", "epochs", "learning_rate", "shuffle", "weight_decay"),
    source="STSTNet; Liong, Gan, See, Khor, Huang, FG 2019",
    libraries=LIBRARIES,
    features=features,
    fit=fit,
    predict=predict,
    parameters=parameters,
    build=build,
    published="published",
    noise=lambda preset, draw: draw(3, SIDE, SIDE),
    fit_together=fit_together,
)
