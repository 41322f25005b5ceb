"""A small convolutional network of our own on one 28×28 flow image, with strong augmentation (specs/peers.md §3.6).

Three convolutions read u, v and strain (of several frame pairs: of each in turn), each followed by batch normalisation
and ReLU: 5×5 with stride 2, then twice 3×3 and 2×2 maximum pooling; dropout and one linear layer see what is left,
4w×3×3 for w first filters (`mer.models.flow_cnn_network`). Images of 56 and 112 pixels are pooled once and twice more.
A few hundred clips are soon learned by heart, so every step sees changed ones (`mer.models.flow_augment`): mirrored
with u negated, moved, turned, enlarged, each channel and all of them stronger or weaker, a square blotted out, a share
of another clip mixed in. A clip is scored by the mean of its logits and those of its mirror image. Parameters: 75w +
18w² + 72w² + 14w + 36w·C + C; 26,195 for w = 16 and three classes.

Presets, fixed in advance and not tuned on held-out persons:

- `float_flow` for flow in pixels: sign, zero level and magnitude are kept; each channel is divided by the median, over
  the training clips, of its root mean square.
- `minmax_image` for flow that was stretched to a fixed range image by image: u and v have their medians removed, and
  each channel is scaled to unit root mean square, clip by clip.
- `minmax_plain` the same without any augmentation and with the one view, to tell what that is worth.

The rate falls along a cosine over `period` epochs, whatever the number of epochs, so that a training can be continued.
The weights after the last epoch are the result; no epoch is chosen on anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mer.core.container import Clip
from mer.models.contract import Footprint, Model
from mer.models.flow_cnn_settings import PRESETS, Preset
from mer.models.flow_image import flow_image
from mer.models.learner import FoldData, Inputs, Learner, TrainingSetup
from mer.models.state import Features, State, by_name

if TYPE_CHECKING:
    from torch import nn

    from mer.models.feed import Feed

CHANNELS = 3


def build(preset: Preset, n_classes: int) -> nn.Module:
    """Return the network with fresh weights from torch's random state."""
    from mer.models.flow_cnn_network import flow_cnn

    return flow_cnn(n_classes, preset.width, preset.dropout, CHANNELS * preset.pairs, preset.side)


def prepared(image: np.ndarray, preset: Preset) -> np.ndarray:
    """Return a flow image (C, S, S) as the preset sees it, from its own values only; float32.

    A channel that is constant becomes 0 where channels are brought to unit root mean square.
    """
    image = image.astype(np.float64)
    # What is left of a constant channel is rounding, which unit size would blow up.
    floor = 1e-5 * np.abs(image).max(axis=(1, 2), keepdims=True)
    if preset.centre:
        # Strain has a true zero, its least value; only u and v lost theirs.
        moving = np.arange(len(image)) % CHANNELS < 2
        image[moving] -= np.median(image[moving], axis=(1, 2), keepdims=True)
    if preset.scale == "clip":
        size = np.sqrt(np.square(image).mean(axis=(1, 2), keepdims=True))
        image = np.divide(image, size, out=np.zeros_like(image), where=size > floor)
    return image.astype(np.float32)


def features(clips: Mapping[str, Clip], preset: Preset) -> np.ndarray:
    """Return (3 pairs, side, side) float32; raises `ModelError` as `mer.models.flow_image.flow_image`."""
    return prepared(flow_image(clips, preset.side, preset.pairs), preset)


def channel_scale(x: np.ndarray) -> np.ndarray:
    """Return (C,) float64: the median root mean square of each channel over clips (N, C, H, W); 1 where that is 0."""
    middle = np.median(np.sqrt(np.square(x.astype(np.float64)).mean(axis=(2, 3))), axis=0)
    return np.where(middle > 0, middle, 1.0)


def _prepare(features: Features, fold: FoldData, preset: Preset) -> Inputs:
    x = np.asarray(by_name(features)[""])
    return Inputs({"": x}, {"scale": channel_scale(x) if preset.scale == "fold" else np.ones(x.shape[1])})


def _recall(features: Features, state: State, preset: Preset) -> Inputs:
    return Inputs(by_name(features), {"scale": state.array("scale", (CHANNELS * preset.pairs,))})


def _training_setup(network: Any, inputs: Inputs, feed: Feed, preset: Preset) -> TrainingSetup:
    from mer.models.flow_cnn_network import setup

    return setup(network, inputs, feed, preset)


LEARNER = Learner("flow_cnn", Preset, build, _prepare, _recall, _training_setup)

MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("flow", "strain")},
    settings=("batch_size", "class_weights", "dropout", "epochs", "learning_rate", "weight_decay"),
    source="baseline of this project: small augmented CNN on one flow image",
    libraries=("numpy", "torch"),
    features=features,
    fit=LEARNER.fit,
    predict=LEARNER.predict,
    build=build,
    noise=lambda preset, draw: draw(CHANNELS * preset.pairs, preset.side, preset.side),
    footprints=dict.fromkeys(PRESETS, Footprint(1, 110)),
)
