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

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from mer.core.container import Clip
from mer.core.params import Params
from mer.models.contract import Footprint, Model
from mer.models.flow_image import flow_image
from mer.models.shallow import Shallow, TrainingPlan

if TYPE_CHECKING:
    from mer.models.ststnet_network import Ststnet

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


def training_plan(preset: Preset) -> TrainingPlan:
    """Return how a preset trains."""
    return TrainingPlan(
        epochs=preset.epochs,
        batch_size=preset.batch_size,
        shuffle=preset.shuffle,
        rate=preset.learning_rate,
        decay=preset.weight_decay,
        class_weights=preset.class_weights,
        over="weights",
    )


SHALLOW = Shallow("ststnet", build, training_plan)

MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("flow", "strain")},
    settings=("batch_size", "class_weights", "dropout", "epochs", "learning_rate", "shuffle", "weight_decay"),
    source="STSTNet; Liong, Gan, See, Khor, Huang, FG 2019",
    libraries=("numba", "numpy", "torch"),
    features=features,
    fit=SHALLOW.fit,
    predict=partial(SHALLOW.predict, PRESETS["clean"]),
    build=build,
    published="published",
    footprints={"clean": Footprint(1, 267), "published": Footprint(1, 180)},
    noise=lambda preset, draw: draw(3, SIDE, SIDE),
    fit_together=SHALLOW.fit_together,
)
