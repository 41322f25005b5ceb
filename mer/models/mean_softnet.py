"""MEAN, the micro-expression analysis network, as a recognition model; with SOFTNet (specs/mean-softnet.md §3, §5).

The flow from onset to apex and its strain are cut to two landmark boxes, brows with eyes and mouth, resized to 42 × 21
each and stacked. Three streams of a few filters read u, v and strain; a small head classifies. The networks, with
their spotting heads, are in `mer.models.mean_softnet_network`.

Presets:

- `small`, `clean` values in pixels, divided by their root mean square over the training clips, so that no motion is
  zero in every clip; balanced loss; weaker L2 penalty on the head, which at the published strength shrinks it to
  nothing. `clean` has the published budget of 100 epochs, `small` 60.
- `published` every channel of the whole face stretched to 0–1 by its own extremes, plain cross-entropy.

In the published two-step training the trunk is first trained to spot in long videos and then frozen. A clip of a
recognition experiment has no frames to spot in, so `fit` trains trunk and head together; `Recognition` takes a trunk
that was trained to spot.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ClipError
from mer.core.params import Params
from mer.models.contract import Footprint, Model
from mer.models.flow_image import flow_image
from mer.models.shallow import Shallow, TrainingPlan

if TYPE_CHECKING:
    from mer.models.mean_softnet_network import Recognition

SIDE = 42


class Preset(Params):
    """Settings of the input and of the training."""

    scaling: Literal["fold", "minmax"]
    class_weights: Literal["balanced", "none"] | tuple[float, ...]
    epochs: int
    batch_size: int = 32
    learning_rate: float = 5e-4
    stream_l2: float = 1e-3
    head_l2: float = 0.1


PRESETS: dict[str, Preset] = {
    "small": Preset(scaling="fold", class_weights="balanced", epochs=60, head_l2=1e-3, learning_rate=2e-3),
    "clean": Preset(scaling="fold", class_weights="balanced", epochs=100, head_l2=1e-3),
    "published": Preset(scaling="minmax", class_weights="none", epochs=100),
}


def build(preset: Preset, n_classes: int) -> Recognition:
    """Return the recognition network with fresh weights from torch's random state; presets do not differ in it."""
    from mer.models.mean_softnet_network import Recognition

    return Recognition(n_classes)


def stack_regions(image: np.ndarray, landmarks: np.ndarray, where: str) -> np.ndarray:
    """Return (3, 42, 42) float32: the two boxes of a (3, H, W) image, bilinearly resized, brows above mouth.

    Raises:
        ClipError: landmarks that leave a box empty, naming the clip `where`.
    """
    import torch
    from torch.nn import functional

    from mer.motion.brow_mouth import region_boxes

    parts = []
    for name, box in zip(("brows", "mouth"), region_boxes(landmarks, image.shape[2], image.shape[1]), strict=True):
        left, top, right, bottom = (int(v) for v in box)
        if right - left < 2 or bottom - top < 2:
            raise ClipError(where, f"the box of the {name} is {right - left} x {bottom - top} pixels", "at least 2 x 2")
        cut = torch.from_numpy(np.ascontiguousarray(image[None, :, top:bottom, left:right], np.float32))
        size = (SIDE // 2, SIDE)
        parts.append(functional.interpolate(cut, size, mode="bilinear", align_corners=False)[0].numpy())
    return np.concatenate(parts, axis=1)


def features(clips: Mapping[str, Clip], preset: Preset) -> np.ndarray:
    """Return (3, 42, 42) float32: u, v in pixels of the product and strain, or each stretched to 0–1 (`minmax`).

    Raises:
        ModelError: as `mer.models.flow_image.flow_image`.
        ClipError: the landmarks are not finite or leave no box.
    """
    from mer.motion.brow_mouth import minmax

    clip = clips["motion"]
    image = flow_image(clips, int(clip.lazy("flow").shape[-1]))
    landmarks = np.asarray(clip.read("landmarks")).reshape(-1, 68, 2)[0]
    if not np.isfinite(landmarks).all():
        raise ClipError(clip.sample_id, "landmarks are not finite", "68 points per frame", "check its alignment")
    # The published min-max saw the whole face, so that the brightest motion anywhere sets the range.
    return stack_regions(minmax(image) if preset.scaling == "minmax" else image, landmarks, clip.sample_id)


def fold_scale(x: np.ndarray, scaling: str) -> np.ndarray:
    """Return (3,) float64 divisors of training clips (N, 3, 42, 42): root mean squares, or ones for `minmax`."""
    if scaling == "minmax":
        return np.ones(3)
    root = np.sqrt(np.square(x, dtype=np.float64).mean(axis=(0, 2, 3)))
    return np.where(root > 0, root, 1.0)


def training_plan(preset: Preset) -> TrainingPlan:
    """Return how a preset trains; its penalties are those of `mer.models.mean_softnet_network.penalty`."""
    return TrainingPlan(
        epochs=preset.epochs,
        batch_size=preset.batch_size,
        rate=preset.learning_rate,
        eps=1e-7,
        class_weights=preset.class_weights,
        over="clips",
        penalties={f"trunk.convs.{i}.weight": preset.stream_l2 for i in range(3)}
        | {"recog.conv.weight": preset.head_l2},
        scale=partial(fold_scale, scaling=preset.scaling),
    )


SHALLOW = Shallow("mean", build, training_plan)

MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("flow", "strain", "landmarks")},
    settings=("batch_size", "class_weights", "epochs", "learning_rate"),
    source="MEAN; Liong, See, Chan, Signal Processing: Image Communication 110 (2023) 116875",
    libraries=("numba", "numpy", "torch"),
    features=features,
    fit=SHALLOW.fit,
    predict=partial(SHALLOW.predict, PRESETS["clean"]),
    build=build,
    counts_running=True,
    published="published",
    footprints={"small": Footprint(1, 263), "clean": Footprint(1, 159), "published": Footprint(1, 159)},
    noise=lambda preset, draw: draw(3, SIDE, SIDE),
    gpu=frozenset({"clean", "published"}),
    fit_together=SHALLOW.fit_together,
)
