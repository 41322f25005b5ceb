"""Action-unit detection fused with spatio-temporal features (ICASSP 2024; specs/au-fusion.md §5).

A 3-D network names nine action units from a clip of 16 frames; their logits make the nodes and, through a transformer,
the edges of a graph. Thirty small windows of the flow between magnified frames, around brows and mouth, become two
vectors by depthwise 3-D convolutions and transformer encoders. The dot products of these vectors with the graph's nodes
decide the emotion. Both outputs are trained together.

Presets:

- `small` the same system with P3D at an eighth of its width and one block per layer, two encoder layers and clips of 48
  pixels, for a CPU core.
- `clean` the published layers with the published defects resolved: true action-unit targets, RGB normalised, one
  magnification factor per clip and epoch, balanced loss.
- `released` what the released code computes: action-unit targets that are always zero, raw BGR values of 0–255, a
  factor drawn for every flow map by itself, and an unused embedding. Its patches were cut at transposed places; the
  `patches30` method does not.

Action units of training clips are given to `fit` as `units`; for a clip that nobody coded, and for every clip when
`units` is None, that part of the loss is left out. None is needed to predict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.core.params import Params
from mer.models.au_fusion_inputs import AUS, LENGTH, ROIS, factor_index, unit_targets
from mer.models.clip_frames import Frames, Sampler, positions, read_bytes
from mer.models.contract import Footprint, Model
from mer.models.learner import FoldData, Inputs, Learner, TrainingSetup
from mer.models.state import Features, State, by_name

if TYPE_CHECKING:
    import torch

    from mer.models.au_fusion_network import Network
    from mer.models.feed import Feed


class Preset(Params):
    """Settings of input, network and training."""

    supervision: Literal["fixed", "none", "legacy_zero"] = "fixed"
    clip_norm: Literal["raw", "imagenet"] = "imagenet"
    alpha_mode: Literal["per_clip", "per_step"] = "per_clip"
    test_alpha: float = 2.0
    sampler: Sampler = "span"
    size: int = 144
    width: int = 64
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    layers: int = 6
    flows: int = 9
    embedding: bool = False
    class_weights: Literal["balanced", "none"] | tuple[float, ...] = "balanced"
    epochs: int = 100
    batch_size: int = 16
    learning_rate: float = 1e-4
    rate_gamma: float = 0.987
    rate_start: int = 40


PRESETS: dict[str, Preset] = {
    "small": Preset(
        size=48,
        width=8,
        blocks=(1, 1, 1, 1),
        layers=2,
        epochs=16,
        batch_size=8,
        learning_rate=1e-3,
        rate_gamma=0.8,
        rate_start=8,
    ),
    "clean": Preset(),
    "released": Preset(
        supervision="legacy_zero",
        clip_norm="raw",
        alpha_mode="per_step",
        # The published factor is what is added; here it counts what was filmed too (specs/au-fusion.md §2.1).
        test_alpha=3.0,
        embedding=True,
        class_weights="none",
        rate_start=41,
    ),
}


def build(preset: Preset, n_classes: int) -> Network:
    """Return the network of a preset with fresh weights from torch's random state."""
    from mer.models.au_fusion_network import Network

    return Network(n_classes, preset.width, preset.blocks, preset.layers, preset.flows, preset.embedding)


def features(clips: Mapping[str, Clip], preset: Preset) -> dict[str, np.ndarray]:
    """Return `patches` (A, P, 30, 2, 7, 7) float32, `alphas` (A,) float32 and `clip` (16, S, S, 3) uint8 RGB.

    Raises:
        ModelError: patches that are not 30 windows of flow for `flows` pairs, or a clip that is not of colour frames.
        ClipError: the sampler needs an event that is unknown.
    """
    motion = clips["motion"]
    patches = np.asarray(motion.read("patches"), np.float32)
    if patches.ndim == 5:
        patches = patches[None]
    if patches.shape[1:] != (preset.flows, ROIS, 2, 7, 7):
        where = motion.where
        expected = f"([A,] {preset.flows}, {ROIS}, 2, 7, 7)"
        raise ModelError(where, f"patches {patches.shape}", expected, "name patches30 of the flow of consecutive pairs")
    alphas = np.asarray(motion.read("alphas"), np.float32) if "alphas" in motion else np.ones(1, np.float32)
    frames = Frames(clips["clip"])
    at = positions(clips["clip"], frames, preset.sampler, LENGTH)
    return {"patches": patches, "alphas": alphas, "clip": read_bytes(frames, at, preset.size)}


def prepare_fold(features: Features, fold: FoldData, preset: Preset) -> Inputs:
    """Return the features with the action units to learn, `units` (N, 9), and the factor that prediction reads."""
    x = by_name(features)
    count, alphas = len(fold.labels), x["alphas"][0]
    meta = {"alpha": float(alphas[factor_index(alphas, preset.test_alpha)])}
    taught = fold.units is not None and preset.supervision == "fixed"
    coded = fold.units if fold.units is not None and taught else [None] * count
    units = np.zeros((count, len(AUS)), np.float32) if preset.supervision == "legacy_zero" else unit_targets(coded)
    if preset.supervision != "legacy_zero":
        known = int((~np.isnan(units[:, 0])).sum())
        fold.log(f"au_fusion: action units of {known} of {count} training clips supervise the detector")
    return Inputs({**x, "units": units}, meta=meta)


def recall(features: Features, state: State, preset: Preset) -> Inputs:
    """Return the features, of each clip at the factor that prediction reads."""
    return Inputs(by_name(features))


def training_setup(network: Network, inputs: Inputs, feed: Feed, preset: Preset) -> TrainingSetup:
    """Return how the network learns emotion and action units; prediction reads the factor nearest to `test_alpha`."""
    import torch

    from mer.models import loop
    from mer.models.au_fusion_network import draw_factors, normalised, unit_loss

    read = torch.tensor([factor_index(alphas, preset.test_alpha) for alphas in np.asarray(inputs.x["alphas"])])
    factors, maps = inputs.x["patches"].shape[1:3]

    def given(batch: torch.Tensor, training: bool) -> tuple[torch.Tensor, ...]:
        count = len(batch)
        if training:
            factor = draw_factors(count, factors, maps, preset.alpha_mode)
        else:
            factor = read[batch][:, None].expand(count, maps)
        x = feed(batch, {"patches": (factor, torch.arange(maps)[None])})
        return x["patches"], normalised(x["clip"], preset.clip_norm), *((x["units"],) if training else ())

    def loss(batch: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        patches, clips, units = given(batch, True)
        emotion, named = network(patches, clips)
        return loop.weighted_nll(emotion.log_softmax(dim=1), labels, weights) + unit_loss(named, units)

    def logits(batch: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = network(*given(batch, False))[0]
        return made

    def optimiser() -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=preset.learning_rate)

    schedule = loop.Schedule(preset.epochs, preset.batch_size, 1, preset.rate_gamma, preset.rate_start)
    return TrainingSetup(given, loss, logits, optimiser, schedule)


def noise(preset: Preset, draw: Callable[..., np.ndarray]) -> Features:
    """Return features for the bench, at the ten factors of the source."""
    patches = draw(10, preset.flows, ROIS, 2, 7, 7)
    alphas = np.tile(np.arange(1, 11, dtype=np.float32), (len(patches), 1))
    clips = draw(LENGTH, preset.size, preset.size, 3, kind=np.uint8)
    return {"patches": patches, "alphas": alphas, "clip": clips}


LEARNER = Learner("au_fusion", Preset, build, prepare_fold, recall, training_setup)

MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("patches",), "clip": ("frames",)},
    settings=("batch_size", "class_weights", "epochs", "learning_rate"),
    source="AU detection and spatio-temporal fusion; Wang, Huang, Cai, Liu, ICASSP 2024, pp. 5595-5599",
    libraries=("numpy", "torch"),
    features=features,
    fit=LEARNER.fit,
    predict=LEARNER.predict,
    build=build,
    classes={"released": 4},
    published="released",
    noise=noise,
    footprints={
        "small": Footprint(14, 171),
        "clean": Footprint(398, 4349),
        "released": Footprint(398, 4349),
    },
    gpu=frozenset(PRESETS) - {"small"},
    shared=True,
    units=("fit",),
)
