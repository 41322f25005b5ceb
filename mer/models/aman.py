"""AMAN: attention over magnification factors and over frames (ICASSP 2022; specs/aman-magnet-rife.md §A).

Frames between onset and offset are magnified at several factors; a residual network turns each image into a vector. A
sigmoid score per vector averages the factors of a frame, a second one the frames of the clip, and a linear layer
classifies. Both averages are over sets: the order of frames and of factors is not seen.

The trunk (`mer.networks.resnet18`) comes from `trunk`, a name of `mer weights list` or a file of face-expression or
ImageNet weights; without one its weights are random, from `trunk_seed`. A checkpoint records which. A random trunk that
is not trained says little of an expression: no score of `pooled`, `clean` or `published` means anything with it.

Presets:

- `small` a narrower trunk of four single blocks, trained end to end on what differs between a magnified frame and the
  frame that it was magnified from, at 48 pixels and 4 frames: the only preset that needs no weights. Attention over
  factors and over frames, and the classifier, are the published ones on vectors of 64 values.
- `pooled` vectors of the whole frozen trunk at 224 pixels and 11 frames: only scores and classifier are trained.
- `clean` the fourth layer is trained, from the trunk's weights, with all images of a batch in one normalisation;
  balanced loss. For a GPU.
- `published` the fourth layer starts from random weights, plain loss.

The published extraction normalised each group of nine images by its own statistics; here the trunk's own are used.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ClipError, ModelError
from mer.core.params import Params
from mer.models.clip_array import ClipArray
from mer.models.clip_frames import event, standardised
from mer.models.contract import Footprint, Model
from mer.models.flow_image import area_pool
from mer.models.learner import FoldData, Inputs, Learner, TrainingSetup
from mer.models.state import Features, State, by_name

if TYPE_CHECKING:
    from mer.models.aman_network import Network
    from mer.models.feed import Feed


class Preset(Params):
    """Settings of input, network and training; the defaults are the published ones."""

    variant: Literal["layer4", "pooled", "whole"] = "layer4"
    frames: int = 11
    size: int = 224
    view: Literal["frames", "change"] = "frames"
    trunk: str | None = None
    trunk_seed: int = 0
    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: int = 2
    input_norm: Literal["imagenet", "none"] = "imagenet"
    layer4_init: Literal["random", "trunk"] = "random"
    layer4_norm: Literal["batch", "frozen"] = "batch"
    standardise: bool = False
    augment: bool = False
    class_weights: Literal["balanced", "none"] | tuple[float, ...] = "none"
    epochs: int = 50
    batch_size: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    rate_step: int = 30
    rate_gamma: float = 0.2


_POOLED = Preset(variant="pooled", standardise=True, class_weights="balanced")
PRESETS: dict[str, Preset] = {
    "small": Preset(
        variant="whole",
        frames=4,
        size=48,
        view="change",
        widths=(8, 16, 32, 64),
        blocks=1,
        input_norm="none",
        standardise=True,
        augment=True,
        class_weights="balanced",
        epochs=30,
        batch_size=8,
        learning_rate=1e-3,
        rate_step=10,
    ),
    "pooled": _POOLED,
    "clean": Preset(layer4_init="trunk", class_weights="balanced"),
    "published": Preset(),
}


def build(preset: Preset, n_classes: int) -> Network:
    """Return the trained part of a preset's network, fresh from torch's random state or the trunk's fourth layer.

    Raises:
        ModelError: the weight file cannot be used.
    """
    from mer.models.aman_network import WIDTH, Network, trunk
    from mer.networks import resnet18

    if preset.variant == "pooled":
        return Network(n_classes)
    if preset.variant == "whole":
        whole = resnet18.ResNet18(preset.widths, preset.blocks)
        return Network(n_classes, trunk=whole, width=preset.widths[-1])
    frozen = preset.layer4_norm == "frozen"
    if preset.layer4_init == "random":
        return Network(n_classes, resnet18.layer(256, WIDTH, 2), frozen_norm=frozen)
    fourth = copy.deepcopy(trunk(preset.trunk, preset.trunk_seed).get_submodule("layer4")).requires_grad_(True)
    return Network(n_classes, fourth, frozen_norm=frozen)


def frame_indices(onset: int, offset: int, n: int) -> np.ndarray:
    """Return (n,) int64 indices evenly from the frame after the onset to the offset, some twice in a short clip.

    The onset is left out: it is what the others are magnified from. Halves round to the even index.
    """
    return np.rint(np.linspace(onset + 1, offset, n)).astype(np.int64)


def features(clips: Mapping[str, Clip], preset: Preset, device: str = "cpu") -> np.ndarray:
    """Return the trunk's view of n frames at K factors.

    That is (n, K, 256, h, w) float16 for `layer4`, (n, K, 512) float32 for `pooled`, and for `whole` the images
    (n, K, 3, S, S) float32, where nothing goes through a trunk. The maps are halved in memory so: the released ones of
    442 clips take 10 GB in float32, and what rounding takes away is a two-thousandth of a value.

    Raises:
        ModelError: the product is not of magnified colour frames, or the weight file cannot be used.
        ClipError: onset or offset is unknown, or no frame follows the onset.
    """
    clip = clips["magnified"]
    frames = clip.lazy("frames")
    if frames.ndim != 5 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        where = clip.where
        raise ModelError(
            where, f"frames {frames.shape}, {frames.dtype}", "uint8 (A, F, S, S, 3)", "name a magnify product"
        )
    onset, offset = (event(clip, name, frames.shape[1]) for name in ("onset", "offset"))
    if offset <= onset:
        raise ClipError(clip.sample_id, f"offset {offset} does not follow onset {onset}", "at least one frame between")
    indices = frame_indices(onset, offset, preset.frames)
    start = prepare(np.asarray(frames[:, onset]), preset) if preset.view == "change" else np.float32(0)
    views = {index: prepare(np.asarray(frames[:, index]), preset) - start for index in set(indices.tolist())}
    if preset.variant != "whole":
        views = _through_trunk(views, preset, device)
    return np.stack([views[index] for index in indices.tolist()])


def _through_trunk(views: Mapping[int, np.ndarray], preset: Preset, device: str) -> dict[int, np.ndarray]:
    import torch

    from mer.models.aman_network import trunk
    from mer.models.loop import reproducible

    kind = torch.float32 if preset.variant == "pooled" else torch.float16
    with reproducible(0, device) as place, torch.no_grad():
        network = trunk(preset.trunk, preset.trunk_seed, str(place))
        through = network if preset.variant == "pooled" else network.maps
        made = {index: through(torch.from_numpy(images).to(place)) for index, images in views.items()}
        return {index: maps.to(kind).cpu().numpy() for index, maps in made.items()}


def prepare(images: np.ndarray, preset: Preset) -> np.ndarray:
    """Return (K, 3, S, S) float32 of (K, H, W, 3) uint8 RGB: averaged by area to the size, 0–1, perhaps normalised."""
    small = np.asarray(area_pool(images.transpose(0, 3, 1, 2), preset.size) / 255.0, np.float32)
    return small if preset.input_norm == "none" else standardised(small, axis=1)


def fold_scale(x: ClipArray, preset: Preset) -> np.ndarray:
    """Return (2, D) float64 to subtract and to divide by, from training clips; 0 and 1 where `standardise` is off.

    Of vectors (N, n, K, 512) the mean and deviation of each value, D = 512; of images (N, n, K, 3, S, S) zero and the
    root mean square of all, D = 1: an unchanged pixel stays zero.
    """
    if not preset.standardise:
        return np.stack([np.zeros(1), np.ones(1)])
    if preset.variant == "whole":
        total = sum(float(np.square(block, dtype=np.float64).sum()) for block in x.blocks())
        return np.array([[0.0], [max(float(np.sqrt(total / math.prod(x.shape))), 1e-6)]])
    flat = np.asarray(x, np.float64).reshape(-1, x.shape[-1])
    deviation = flat.std(axis=0)
    return np.stack([flat.mean(axis=0), np.where(deviation > 1e-12, deviation, 1.0)])


def prepare_fold(features: Features, fold: FoldData, preset: Preset) -> Inputs:
    """Return the features, `fold_scale` of them, and where the trunk's weights come from."""
    from mer.networks import resnet18

    x = by_name(features)[""]
    whole = preset.variant == "whole"
    origin = "trained in the fold" if whole else resnet18.record(preset.trunk, preset.trunk_seed)
    return Inputs({"x": x}, {"scale": fold_scale(x, preset)}, {"trunk": origin}, f"trunk {origin}; ")


def recall(features: Features, state: State, preset: Preset) -> Inputs:
    """Return the features, with the scale of the clips that were learned from."""
    return Inputs({"x": by_name(features)[""]}, {"scale": state.array("scale", (2, None))})


def training_setup(network: Network, inputs: Inputs, feed: Feed, preset: Preset) -> TrainingSetup:
    """Return how the network learns from and reads features less the first row of the scale, over the second."""
    import torch

    from mer.models import loop
    from mer.models.aman_network import turned

    centre, spread = (torch.from_numpy(row).to(feed.place, torch.float32) for row in inputs.kept["scale"])

    def given(batch: torch.Tensor, training: bool) -> tuple[torch.Tensor]:
        values = feed(batch)["x"].float()
        values = (values - centre) / spread if preset.standardise else values
        return (turned(values) if training and preset.augment else values,)

    def loss(batch: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return loop.weighted_nll(network(*given(batch, True)).log_softmax(dim=1), labels, weights)

    def optimiser() -> torch.optim.RMSprop:
        return torch.optim.RMSprop(network.parameters(), lr=preset.learning_rate, weight_decay=preset.weight_decay)

    schedule = loop.Schedule(preset.epochs, preset.batch_size, preset.rate_step, preset.rate_gamma)
    return TrainingSetup(given, loss, lambda batch: network(*given(batch, False)), optimiser, schedule)


def noise(preset: Preset, draw: Callable[..., np.ndarray]) -> np.ndarray:
    """Return features for the bench, at the ten factors of the source."""
    # The trunk's fourth-layer input: 256 maps at a sixteenth of the image.
    seen = {"layer4": (256, preset.size // 16, preset.size // 16), "pooled": (512,)}
    kind = np.float16 if preset.variant == "layer4" else np.float32
    return draw(preset.frames, 10, *seen.get(preset.variant, (3, preset.size, preset.size)), kind=kind)


LEARNER = Learner(
    "aman",
    Preset,
    build,
    prepare_fold,
    recall,
    training_setup,
    # The checkpoint holds the fourth layer; the weight file is not needed to build it.
    bare={"layer4_init": "random"},
)

MODEL = Model(
    presets=PRESETS,
    inputs={"magnified": ("frames", "alphas")},
    settings=("batch_size", "class_weights", "epochs", "learning_rate", "trunk", "weight_decay"),
    source="AMAN, attention over magnification; ICASSP 2022",
    libraries=("numpy", "torch", "safetensors"),
    features=features,
    fit=LEARNER.fit,
    predict=LEARNER.predict,
    build=build,
    classes={"published": 5},
    published="published",
    noise=noise,
    footprints={
        "small": Footprint(2, 195),
        "pooled": Footprint(1, 98),
        "clean": Footprint(129, 778),
        "published": Footprint(129, 697),
    },
    gpu=frozenset(PRESETS) - {"small"},
    shared=True,
    costly=frozenset(PRESETS) - {"small"},
    seen=("frames", "input_norm", "size", "trunk", "trunk_seed", "variant", "view"),
)
