"""MEAN, the micro-expression analysis network, as a recognition model; with SOFTNet (specs/mean-softnet.md §3, §5).

The flow from onset to apex and its strain are cut to two landmark boxes, brows with eyes and mouth, resized to 42 × 21
each and stacked. Three streams of a few filters read u, v and strain; a small head classifies. The networks, with
their spotting heads, are in `mer.models.mean_softnet_network`.

Presets:

- `small`, `clean` values in pixels, divided by their root mean square over the training clips, so that no motion is
  zero in every clip; balanced loss; weaker L2 penalty on the head, which at the published strength shrinks it to
  nothing. `clean` has the published budget of 100 epochs, `small` 60.
- `published` every channel of the whole face stretched to 0–1 by its own extremes, plain cross-entropy; a head on a
  frozen trunk that learned to spot in the whole recordings of the fold's training persons. The trunk is that of a
  spotting experiment, `train: {trunk: spotting/<name>}`, which leaves out the same person: a clip of one expression has
  no frames to spot in (`mer.models.mean_transfer`).
- `joint` the same input and loss, but trunk and head trained together from fresh weights; not as published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import ValidationInfo, field_validator

from mer.core.container import Clip
from mer.core.errors import ClipError, ModelError
from mer.core.params import Params
from mer.models.contract import Footprint, Model
from mer.models.flow_image import first_landmarks, flow_image
from mer.models.shallow import Shallow, TrainingPlan
from mer.models.state import Features, State, require_classes

if TYPE_CHECKING:
    from mer.models.mean_softnet_network import Recognition

SIDE = 42
NO_TRUNK = "or take the preset joint, which trains trunk and head together"


class Preset(Params):
    """Settings of the input and of the training."""

    scaling: Literal["fold", "minmax"]
    class_weights: Literal["balanced", "none"] | tuple[float, ...]
    epochs: int
    batch_size: int = 32
    learning_rate: float = 5e-4
    stream_l2: float = 1e-3
    head_l2: float = 0.1
    steps: Literal["joint", "transfer"] = "joint"
    trunk: str = ""

    @field_validator("trunk")
    @classmethod
    def _one_trunk(cls, value: str, others: ValidationInfo) -> str:
        if value and others.data.get("steps") == "joint":
            raise ValueError("only the preset published takes a trunk; the others train theirs with the head")
        return value


PRESETS: dict[str, Preset] = {
    "small": Preset(scaling="fold", class_weights="balanced", epochs=60, head_l2=1e-3, learning_rate=2e-3),
    "clean": Preset(scaling="fold", class_weights="balanced", epochs=100, head_l2=1e-3),
    "published": Preset(scaling="minmax", class_weights="none", epochs=100, steps="transfer"),
    "joint": Preset(scaling="minmax", class_weights="none", epochs=100),
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
    landmarks = first_landmarks(clips)
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


def fit(
    features: Features,
    labels: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
    preset: Preset,
    seed: int,
    log: Callable[[str], None],
    device: str = "cpu",
    start: State | None = None,
) -> State:
    """Train as `mer.models.contract.Fit` says.

    Args:
        start: of a preset in two steps, the spotting network of the fold (`mer.models.mean_transfer.fit`).

    Raises:
        ModelError: as `mer.models.shallow.Shallow.fit`, or no trunk for a preset in two steps.
    """
    if preset.steps == "joint":
        return SHALLOW.fit(features, labels, groups, n_classes, preset, seed, log, device)
    require_classes(labels)
    if start is None:
        raise ModelError("mean", "no trunk that learned to spot", "train: {trunk: spotting/<name>}", NO_TRUNK)
    from mer.models import mean_transfer

    return mean_transfer.fit(np.asarray(features), labels, n_classes, preset, start, seed, log, device)


def fresh_trunk() -> State:
    """Return a trunk that has learned nothing, for tests."""
    from mer.models import mean_transfer

    return mean_transfer.fresh_trunk()


def from_keras(path: str, classes: tuple[str, ...], order: tuple[str, ...]) -> State:
    """Return the state of a published recognition file (`mer.weights.keras`).

    Args:
        path: the Keras file.
        classes: of the experiment.
        order: the same classes as the outputs of the file have them.

    Raises:
        ModelError: the file is not exactly this network.
    """
    from mer.weights.keras import read_keras

    arrays = read_keras(path, "recog", len(classes))
    rows = [order.index(name) for name in classes]
    for name in ("recog.out.weight", "recog.out.bias"):
        arrays[name] = arrays[name][rows]
    return State({**arrays, "scale": np.ones(3)}, {"n_classes": len(classes)})


MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("flow", "strain", "landmarks")},
    settings=("batch_size", "class_weights", "epochs", "learning_rate", "trunk"),
    source="MEAN; Liong, See, Chan, Signal Processing: Image Communication 110 (2023) 116875",
    libraries=("numba", "numpy", "torch"),
    features=features,
    fit=fit,
    predict=partial(SHALLOW.predict, PRESETS["clean"]),
    build=build,
    counts_running=True,
    published="joint",
    footprints={
        "small": Footprint(1, 264),
        "clean": Footprint(1, 159),
        "published": Footprint(1, 159),
        "joint": Footprint(1, 159),
    },
    noise=lambda preset, draw: draw(3, SIDE, SIDE),
    gpu=frozenset({"clean", "published", "joint"}),
    fit_together=SHALLOW.fit_together,
    start={"published": fresh_trunk},
    from_keras=from_keras,
)
