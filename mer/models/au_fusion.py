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

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models.au_fusion_inputs import AUS, LENGTH, ROIS, factor_index, normalise_clip, unit_targets
from mer.models.clip_frames import Frames, Sampler, positions, read
from mer.models.contract import Model, Units
from mer.models.state import Features, State

if TYPE_CHECKING:
    import torch
    from torch import nn

    from mer.models.au_fusion_network import Network


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
        supervision="legacy_zero", clip_norm="raw", alpha_mode="per_step", embedding=True, class_weights="none"
    ),
}


def build(preset: Preset, n_classes: int) -> Network:
    """Return the network of a preset with fresh weights from torch's random state."""
    from mer.models.au_fusion_network import Network

    return Network(n_classes, preset.width, preset.blocks, preset.layers, preset.flows, preset.embedding)


def features(clips: Mapping[str, Clip], preset: Preset) -> dict[str, np.ndarray]:
    """Return `patches` (A, P, 30, 2, 7, 7), `alphas` (A,) and `clip` (3, 16, S, S) RGB in 0–1, all float32.

    Raises:
        ModelError: patches that are not 30 windows of flow for `flows` pairs, or a clip that is not of colour frames.
        ClipError: the sampler needs an event that is unknown.
    """
    motion = clips["motion"]
    patches = np.asarray(motion.read("patches"), np.float32)
    if patches.ndim == 5:
        patches = patches[None]
    if patches.shape[1:] != (preset.flows, ROIS, 2, 7, 7):
        where = f"{motion.group.file.filename} clip {motion.sample_id}"
        expected = f"([A,] {preset.flows}, {ROIS}, 2, 7, 7)"
        raise ModelError(where, f"patches {patches.shape}", expected, "name patches30 of the flow of consecutive pairs")
    alphas = np.asarray(motion.read("alphas"), np.float32) if "alphas" in motion else np.ones(1, np.float32)
    frames = Frames(clips["clip"])
    at = positions(clips["clip"], frames, preset.sampler, LENGTH)
    return {"patches": patches, "alphas": alphas, "clip": read(frames, at, preset.size)}


def fit(
    features: Features,
    labels: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
    preset: Preset,
    seed: int,
    log: Callable[[str], None],
    device: str = "cpu",
    units: Sequence[Units] | None = None,
) -> State:
    """Train for the preset's epochs; see `mer.models.contract` for the arguments.

    Args:
        units: annotated action-unit numbers of each training clip, None where nobody coded it.

    Raises:
        ModelError: one class only, weights of another class set, or a loss that is no longer finite.
    """
    import torch
    from torch.nn import functional

    from mer.models import loop
    from mer.models.au_fusion_network import draw_factors, unit_loss
    from mer.models.learner import Learner, learn, targets

    assert isinstance(features, dict)
    wanted = torch.from_numpy(_wanted(units, len(labels), preset.supervision, log))
    with loop.reproducible(derive_seed(seed, "au_fusion"), device) as place:
        y, weights = targets(labels, preset.class_weights, n_classes, place)
        network = build(preset, n_classes).to(place)

        def loss(batch: torch.Tensor) -> torch.Tensor:
            index = batch.numpy()
            patches = torch.from_numpy(draw_factors(features["patches"], index, preset.alpha_mode))
            clip = torch.from_numpy(normalise_clip(features["clip"][index], preset.clip_norm))
            emotion, named = network(patches.to(place), clip.to(place))
            value = loop.weighted_nll(functional.log_softmax(emotion, dim=1), y[batch.to(place)], weights)
            return value + unit_loss(named, wanted[batch].to(place))

        optimiser = torch.optim.Adam(network.parameters(), lr=preset.learning_rate)
        schedule = loop.Schedule(preset.epochs, preset.batch_size, 1, preset.rate_gamma, preset.rate_start)
        logits = _logits(network, features, preset, place)
        learner = Learner("au_fusion", network, loss, logits, optimiser, schedule)
        state = learn(learner, labels, n_classes, preset, log)
    alphas = features["alphas"][0]
    return State(state.arrays, state.meta | {"alpha": float(alphas[factor_index(alphas, preset.test_alpha)])})


def _wanted(units: Sequence[Units] | None, count: int, supervision: str, log: Callable[[str], None]) -> np.ndarray:
    if supervision == "legacy_zero":
        return np.zeros((count, len(AUS)), np.float32)
    targets = unit_targets([None] * count if units is None or supervision == "none" else units)
    known = int((~np.isnan(targets[:, 0])).sum())
    log(f"au_fusion: action units of {known} of {count} training clips supervise the detector")
    return targets


def _logits(
    network: nn.Module, x: Mapping[str, np.ndarray], preset: Preset, place: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch import from_numpy

    def logits(batch: torch.Tensor) -> torch.Tensor:
        index = int(batch)
        patches = x["patches"][index, factor_index(x["alphas"][index], preset.test_alpha)][None]
        clip = normalise_clip(x["clip"][index][None], preset.clip_norm)
        emotion: torch.Tensor = network(from_numpy(patches).to(place), from_numpy(clip).to(place))[0]
        return emotion

    return logits


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 probabilities, from the patches of the factor nearest to the preset's `test_alpha`.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    from mer.models import loop

    assert isinstance(features, dict)
    preset = Preset.model_validate(state.meta["preset"])
    n_classes = int(state.meta["n_classes"])
    with loop.reproducible(0, device) as place:
        network = build(preset, n_classes).to(place)
        loop.restore(network, state)
        return loop.scores(network, len(features["clip"]), n_classes, _logits(network, features, preset, place))


def noise(preset: Preset, draw: Callable[..., np.ndarray]) -> Features:
    """Return features for the bench, at the ten factors of the source."""
    patches = draw(10, preset.flows, ROIS, 2, 7, 7)
    alphas = np.tile(np.arange(1, 11, dtype=np.float32), (len(patches), 1))
    return {"patches": patches, "alphas": alphas, "clip": draw(3, LENGTH, preset.size, preset.size)}


MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("patches",), "clip": ("frames",)},
    settings=("batch_size", "class_weights", "epochs", "learning_rate"),
    source="AU detection and spatio-temporal fusion; Wang, Huang, Cai, Liu, ICASSP 2024, pp. 5595-5599",
    libraries=("numpy", "torch"),
    features=features,
    fit=fit,
    predict=predict,
    build=build,
    classes={"released": 4},
    published="released",
    noise=noise,
    gpu=frozenset(PRESETS) - {"small"},
    units=("fit",),
)
