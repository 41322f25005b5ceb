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
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.au_fusion_network import AUS, ROIS, Network
from mer.models.au_fusion_p3d import LENGTH
from mer.models.dual_branch_clip import Frames, Sampler, positions, read
from mer.models.state import Features, State, class_weights

INPUTS: dict[str, tuple[str, ...]] = {"motion": ("patches",), "clip": ("frames",)}
LIBRARIES = ("numpy", "torch")
UNITS = ("fit",)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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
    return Network(n_classes, preset.width, preset.blocks, preset.layers, preset.flows, preset.embedding)


def unit_targets(annotated: Sequence[Sequence[int] | None]) -> np.ndarray:
    """Return (N, 9) float32 targets in the order of `AUS`: 1 where a clip shows the unit, NaN rows where None.

    Args:
        annotated: action-unit numbers of each clip; None for a clip without annotation. Other units are ignored.
    """
    rows = [[np.nan] * len(AUS) if units is None else [float(au in set(units)) for au in AUS] for units in annotated]
    return np.array(rows, np.float32).reshape(-1, len(AUS))


def unit_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean binary cross-entropy of (B, 9) over the targets that are not NaN; 0 when all are."""
    known = ~torch.isnan(targets)
    if not known.any():
        return logits.sum() * 0
    return functional.binary_cross_entropy_with_logits(logits[known], targets[known])


def normalise_clip(clip: torch.Tensor, how: str) -> torch.Tensor:
    """Return the clip that the network reads, of (B, 3, T, S, S) RGB in 0–1: `imagenet` or `raw` (BGR in 0–255)."""
    if how == "raw":
        return clip.flip(1) * 255.0
    mean, deviation = (torch.tensor(v, device=clip.device)[None, :, None, None, None] for v in (MEAN, DEVIATION))
    return (clip - mean) / deviation


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


def draw_factors(patches: np.ndarray, batch: np.ndarray, mode: str) -> np.ndarray:
    """Return (B, P, 30, 2, 7, 7) with factors drawn from torch's random state.

    Args:
        patches: (N, A, P, 30, 2, 7, 7).
        batch: (B,) indices of clips.
        mode: `per_clip` one factor for all maps of a clip, `per_step` one for every map.
    """
    factors, maps = patches.shape[1:3]
    drawn = torch.randint(factors, (len(batch), 1 if mode == "per_clip" else maps)).numpy()
    return patches[batch[:, None], np.broadcast_to(drawn, (len(batch), maps)), np.arange(maps)[None]]


def factor_index(alphas: np.ndarray, wanted: float) -> int:
    """Return the index of the factor (A,) nearest to the one wanted for prediction."""
    return int(np.abs(alphas - wanted).argmin())


def fit(
    features: Features,
    labels: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
    preset: Preset,
    seed: int,
    log: Callable[[str], None],
    device: str = "cpu",
    units: Sequence[Sequence[int] | None] | None = None,
) -> State:
    """Train for the preset's epochs; see `mer.models.registry` for the arguments.

    Args:
        units: annotated action-unit numbers of each training clip, None where nobody coded it.

    Raises:
        ModelError: one class only, weights of another class set, or a loss that is no longer finite.
    """
    assert isinstance(features, dict)
    loop.require_classes(labels)
    targets = _targets(units, len(labels), preset.supervision, log)
    with loop.reproducible(derive_seed(seed, "au_fusion"), device) as place:
        network = build(preset, n_classes).to(place)
        y = torch.from_numpy(labels.astype(np.int64))
        weights = torch.from_numpy(class_weights(preset.class_weights, labels, n_classes)).to(place, torch.float32)

        def loss(batch: torch.Tensor) -> torch.Tensor:
            index = batch.numpy()
            patches = torch.from_numpy(draw_factors(features["patches"], index, preset.alpha_mode))
            clip = normalise_clip(torch.from_numpy(features["clip"][index]), preset.clip_norm)
            emotion, found = network(patches.to(place), clip.to(place))
            value = loop.weighted_nll(functional.log_softmax(emotion, dim=1), y[batch].to(place), weights)
            return value + unit_loss(found, targets[batch].to(place))

        optimiser = torch.optim.Adam(network.parameters(), lr=preset.learning_rate)
        plan = loop.Plan(preset.epochs, preset.batch_size, 1, preset.rate_gamma, preset.rate_start)
        final = loop.train(network, loss, len(labels), plan, optimiser, log, "au_fusion")
        told = loop.describe(_scores(network, features, n_classes, preset, place), labels)
        arrays = loop.arrays_of(network)
    alpha = float(features["alphas"][0][factor_index(features["alphas"][0], preset.test_alpha)])
    log(f"au_fusion: loss {final:.4f}, {', '.join(f'{key} {value:.3f}' for key, value in told.items())}")
    meta = {"n_classes": n_classes, "preset": preset.model_dump(mode="json"), "training_loss": final, **told}
    return State(arrays, meta | {"alpha": alpha})


def _targets(
    units: Sequence[Sequence[int] | None] | None, count: int, supervision: str, log: Callable[[str], None]
) -> torch.Tensor:
    empty = torch.full((count, len(AUS)), torch.nan)
    if supervision == "legacy_zero":
        return torch.zeros_like(empty)
    targets = empty if units is None or supervision == "none" else torch.from_numpy(unit_targets(units))
    known = int((~torch.isnan(targets[:, 0])).sum())
    log(f"au_fusion: action units of {known} of {count} training clips supervise the detector")
    return targets


def _scores(
    network: Network, x: Mapping[str, np.ndarray], n_classes: int, preset: Preset, place: torch.device
) -> np.ndarray:
    def logits(batch: torch.Tensor) -> torch.Tensor:
        index = int(batch)
        patches = x["patches"][index, factor_index(x["alphas"][index], preset.test_alpha)][None]
        clip = normalise_clip(torch.from_numpy(x["clip"][index][None]), preset.clip_norm)
        return network(torch.from_numpy(patches).to(place), clip.to(place))[0]

    return loop.scores(network, len(x["clip"]), n_classes, logits)


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 probabilities, from the patches of the factor nearest to the preset's `test_alpha`.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    assert isinstance(features, dict)
    preset = Preset.model_validate(state.meta["preset"])
    n_classes = int(state.meta["n_classes"])
    with loop.reproducible(0, device) as place:
        network = build(preset, n_classes).to(place)
        loop.restore(network, state)
        return _scores(network, features, n_classes, preset, place)
