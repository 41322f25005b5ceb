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
- `icip2024`, `icip2024_smic` as published: the first 30 (10) frames of the product, values centred and divided by their
  maximum (of the training clips only), weights 0.3/0.35/0.35 that scale the loss, decision from the first time step.
  The published labels fit no number of steps and could not train; here each step has the clip's label.
- `icip2024_p3` pooling by 3, GRU of 512, head 128–64: the 2.0 M parameters of the authors' own later tables.
- `icip2024_cbam`, `icip2024_figure` its ablations: plain CBAM, and EC-CBAM as the paper draws it.

Published presets give the class weights of a three-class problem; other class sets need `class_weights`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mer.core.container import Clip
from mer.models.clip_array import ClipArray
from mer.models.clip_frames import Frames, coloured, positions, seen, viewed
from mer.models.contract import Footprint, Model
from mer.models.dual_branch_settings import SETTINGS, Preset
from mer.models.learner import Inputs, Learner, TrainingSetup
from mer.models.state import State, by_name

if TYPE_CHECKING:
    from mer.models.dual_branch_network import Network, Steps
    from mer.models.feed import Feed

#: What `clean` and `small` of both dual-branch systems change.
RESOLVED: dict[str, Any] = {
    "sampler": "uniform",
    "scaling": "standard",
    "norm": True,
    "class_weights": "balanced",
    "augment": True,
}
REDUCED: dict[str, Any] = {
    "frames": 6,
    "size": 36,
    "view": "change",
    "width": 8,
    "trunk": 16,
    "bottleneck": (64, 32),
    "gru": 64,
    "dropout": 0.3,
    "l2": 1e-3,
}
_P3 = Preset(pool=3, gru=512, head=(128, 64), frames=10, dropout=0.3)
PRESETS: dict[str, Preset] = {
    "small": Preset(**RESOLVED, **REDUCED, readout="mean", epochs=30),
    "clean": Preset(**RESOLVED, readout="mean"),
    "icip2024": Preset(),
    "icip2024_smic": Preset(frames=10, dropout=0.3),
    "icip2024_p3": _P3,
    "icip2024_cbam": _P3.model_copy(update={"attention": "cbam"}),
    "icip2024_figure": _P3.model_copy(update={"attention": "eccbam_figure"}),
}


def build(preset: Preset, n_classes: int) -> Network:
    """Return the network of a preset with fresh weights from torch's random state."""
    from mer.models.dual_branch_network import Network

    return Network(preset, n_classes)


def features(clips: Mapping[str, Clip], preset: Preset) -> np.ndarray:
    """Return (T, S, S, 3) RGB, as `mer.models.clip_frames.seen`: uint8, or float32 in 0–1 for the view `change`.

    Raises:
        ModelError: the product is not one of colour frames, or has several magnification factors.
        ClipError: an event that the sampler needs is unknown, or the clip ends before `first`.
    """
    frames = Frames(clips["clip"])
    at = positions(clips["clip"], frames, preset.sampler, preset.frames, preset.first)
    return coloured(seen(frames, at, preset.size, preset.view), preset.colours)


def frames_of_noise(preset: Preset, draw: Callable[..., np.ndarray]) -> np.ndarray:
    """Return clips for the bench, in the type that `features` gives."""
    return draw(preset.frames, preset.size, preset.size, 3, kind=np.float32 if preset.view == "change" else np.uint8)


def scale_of(x: ClipArray, preset: Preset) -> np.ndarray:
    """Return (2,) float64 centre and divisor of training clips (N, T, S, S, 3), as the network views them.

    `source` divides by the largest centred value, as published; `standard` by the standard deviation.
    """
    if x.dtype == np.uint8:
        counts = np.sum([np.bincount(block.ravel(), minlength=256) for block in x.blocks()], axis=0)
        values, share = np.arange(256.0), counts / counts.sum()
        centre, largest = float((values * share).sum()), float(values[counts > 0].max())
        variance = float((np.square(values - centre) * share).sum())
    else:
        size = math.prod(x.shape)
        centre = sum(float(viewed(block, preset.view).sum(dtype=np.float64)) for block in x.blocks()) / size
        largest = max(float(viewed(block, preset.view).max()) for block in x.blocks())
        apart = (viewed(block, preset.view).astype(np.float64) - centre for block in x.blocks())
        variance = sum(float(np.square(values).sum()) for values in apart) / size
    spread = largest - centre if preset.scaling == "source" else variance**0.5
    return np.array([centre, max(spread, 1e-6)])


def scaled(x: Mapping[str, ClipArray], preset: Preset) -> Inputs:
    """Return the inputs of either dual-branch network, each to be scaled by its own statistics of training clips."""
    return Inputs(x, {f"scale.{name}": scale_of(clips, preset) for name, clips in x.items()})


def rescaled(x: Mapping[str, ClipArray], state: State) -> Inputs:
    """Return the inputs of either network, to be scaled as those that a checkpoint learned from."""
    return Inputs(x, {name: state.array(name, (2,)) for name in (f"scale.{key}" for key in x)})


def training_setup(network: Steps, inputs: Inputs, feed: Feed, preset: Preset) -> TrainingSetup:
    """Return how either dual-branch network learns."""
    from mer.models.dual_branch_network import steps_setup

    return steps_setup(network, inputs, feed, preset)


LEARNER = Learner(
    "dual_branch",
    Preset,
    build,
    prepare=lambda features, fold, preset: scaled({"clip": by_name(features)[""]}, preset),
    recall=lambda features, state, preset: rescaled({"clip": by_name(features)[""]}, state),
    training_setup=training_setup,
)

MODEL = Model(
    presets=PRESETS,
    inputs={"clip": ("frames",)},
    settings=SETTINGS,
    source="dual-branch 3-D CNN with GRU and EC-CBAM; ICIP 2024",
    libraries=("numpy", "torch"),
    features=features,
    fit=LEARNER.fit,
    predict=LEARNER.predict,
    build=build,
    published="icip2024",
    noise=frames_of_noise,
    footprints={
        "small": Footprint(2, 133),
        "clean": Footprint(117, 4089),
        "icip2024": Footprint(117, 3127),
        "icip2024_smic": Footprint(117, 1187),
        "icip2024_p3": Footprint(30, 1130),
        "icip2024_cbam": Footprint(30, 1148),
        "icip2024_figure": Footprint(30, 1154),
    },
    shared=True,
    gpu=frozenset(PRESETS) - {"small"},
)
