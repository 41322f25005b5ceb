"""MEAN, the micro-expression analysis network, as a recognition model; with SOFTNet (specs/mean-softnet.md §3, §5).

The flow from onset to apex and its strain are cut to two landmark boxes, brows with eyes and mouth, resized to 42 × 21
each and stacked. Three streams of a few filters read u, v and strain; a small head classifies. The networks, with
their spotting heads, are in `mer.models.mean_softnet_networks`.

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

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.core.container import Clip
from mer.core.errors import ClipError
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.adam import adam
from mer.models.contract import Model
from mer.models.conv_norm_pool import Batch, Prepared, dropout_mask
from mer.models.flow_image import flow_image
from mer.models.mean_softnet_networks import SIDE, WINDOW, Recognition, penalty
from mer.models.state import Features, State, class_weights, require_classes
from mer.models.together import Adam, Share, Tensors, described, normalised, train_together
from mer.motion.brow_mouth import minmax
from mer.motion.brow_mouth import region_boxes as boxes

# What dropout hides in a batch, in the order in which it is drawn: after the trunk, and before the last layer.
MASKS = (((14, 14, 14), 0.3), ((392,), 0.2))


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
    return Recognition(n_classes)


def stack_regions(image: np.ndarray, landmarks: np.ndarray, where: str) -> np.ndarray:
    """Return (3, 42, 42) float32: the two boxes of a (3, H, W) image, bilinearly resized, brows above mouth.

    Raises:
        ClipError: landmarks that leave a box empty, naming the clip `where`.
    """
    parts = []
    for name, box in zip(("brows", "mouth"), boxes(landmarks, image.shape[2], image.shape[1]), strict=True):
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
    """Train trunk and recognition head for the preset's epochs; see `mer.models.contract` for the arguments.

    Raises:
        ModelError: one class only, weights of another class set, or a loss that is no longer finite.
    """
    require_classes(labels)
    x = np.asarray(features)
    scale = fold_scale(x, preset.scaling)
    with loop.reproducible(derive_seed(seed, "mean"), device) as place:
        network = build(preset, n_classes).to(place)
        data = torch.from_numpy((x / scale[:, None, None]).astype(np.float32)).to(place)
        images = Prepared(data, WINDOW)
        y = torch.from_numpy(labels.astype(np.int64)).to(place)
        factors = class_weights(preset.class_weights, labels, n_classes)
        weights = torch.from_numpy(factors).to(place, torch.float32)

        compiled = network.compiled_loss(labels.astype(np.int64), factors, preset.stream_l2, preset.head_l2)

        def loss(indices: torch.Tensor) -> loop.Loss:
            batch = images.batch(indices)
            if isinstance(batch, Batch):
                return compiled(batch)
            value = loop.weighted_nll(functional.log_softmax(network(batch), dim=1), y[indices.to(place)], weights)
            value = value + penalty(network.trunk, network.recog, preset.stream_l2, preset.head_l2)
            return value

        optimiser = adam(network.parameters(), place, preset.learning_rate, eps=1e-7)
        plan = loop.Schedule(preset.epochs, preset.batch_size)
        final = loop.train(network, loss, len(x), plan, optimiser, log, "mean", rounded=images.computes)
        told = loop.describe(loop.outputs(network, data), labels)
        arrays = {**loop.arrays_of(network), "scale": scale}
    log(f"mean: loss {final:.4f}, {', '.join(f'{key} {value:.3f}' for key, value in told.items())}")
    return State(arrays, {"n_classes": n_classes, "training_loss": final, **told})


class _Member:
    """The recognition network for `mer.models.together`."""

    def __init__(self, n_classes: int, preset: Preset) -> None:
        self.n_classes, self.preset = n_classes, preset

    def build(self) -> nn.Module:
        return build(self.preset, self.n_classes)

    def masks(self, count: int) -> list[torch.Tensor]:
        return [dropout_mask((count, *shape), share, torch.device("cpu")) for shape, share in MASKS]

    def forward(
        self, weights: Tensors, x: torch.Tensor, present: torch.Tensor, masks: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, Tensors]:
        parts: list[torch.Tensor] = []
        statistics: Tensors = {}
        for i, one in enumerate(x.split(1, dim=1)):
            conv, norm = f"trunk.convs.{i}", f"trunk.norms.{i}"
            made = functional.conv2d(one, weights[f"{conv}.weight"], weights[f"{conv}.bias"], padding=WINDOW.padding)
            scale, shift = weights[f"{norm}.weight"], weights[f"{norm}.bias"]
            made, mean, variance = normalised(made.relu(), scale, shift, present, 1e-3)
            statistics |= {f"{norm}.running_mean": mean, f"{norm}.running_var": variance}
            parts.append(functional.max_pool2d(made, WINDOW.pool))
        kept = torch.cat(parts, dim=1) * masks[0]
        made = functional.conv2d(kept, weights["recog.conv.weight"], weights["recog.conv.bias"], padding=2).relu()
        made = functional.max_pool2d(made, 2).flatten(1) * masks[1]
        return functional.linear(made, weights["recog.out.weight"], weights["recog.out.bias"]), statistics

    def loss(
        self, weights: Tensors, logits: torch.Tensor, labels: torch.Tensor, factors: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        own = functional.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
        value = -(factors[labels] * own * present).sum() / present.sum().clamp(min=1)
        value = value + loop.l2_penalty([weights["recog.conv.weight"]], self.preset.head_l2)
        streams = [weights[f"trunk.convs.{i}.weight"] for i in range(3)]
        return value + loop.l2_penalty(streams, self.preset.stream_l2)


def fit_together(
    features: Features,
    shares: Sequence[Share],
    n_classes: int,
    preset: Preset,
    log: Callable[[str], None],
    device: str = "cpu",
) -> list[State]:
    """Train several folds at once; each gets what `fit` gives it alone, within rounding.

    Args:
        features: those of all clips of all folds, stacked (N, 3, 42, 42).
        shares: training clips, labels and seed of each fold.
        n_classes: C.
        preset: settings.
        log: takes one line.
        device: where.

    Raises:
        ModelError: as `fit`.
    """
    for share in shares:
        require_classes(share.labels)
    x = np.asarray(features)
    scales = [fold_scale(x[share.clips], preset.scaling) for share in shares]
    own = [dataclasses.replace(share, seed=derive_seed(share.seed, "mean")) for share in shares]
    weights = [class_weights(preset.class_weights, share.labels, n_classes) for share in shares]
    with loop.reproducible(0, device) as place:
        data = torch.from_numpy(x).to(place)
        factors = torch.from_numpy(np.stack(weights)).to(place, torch.float32)
        divisors = torch.from_numpy(np.stack(scales)).to(place, torch.float32)[..., None, None]
        plan, adam = loop.Schedule(preset.epochs, preset.batch_size), Adam(preset.learning_rate, eps=1e-7)
        member = _Member(n_classes, preset)
        arrays, losses = train_together(member, data, own, divisors, factors, plan, adam, 0.01, log, "mean")
        network = build(preset, n_classes).to(place).eval()
        states = []
        for k, (share, held) in enumerate(zip(shares, arrays, strict=True)):
            images = data[torch.from_numpy(share.clips).to(place)] / divisors[k]
            meta = described(network, held, images, share, n_classes, losses[k])
            states.append(State({**held, "scale": scales[k]}, meta))
    return states


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 probabilities.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    x = np.asarray(features)
    with loop.reproducible(0, device) as place:
        n_classes = int(state.meta["n_classes"])
        network = Recognition(n_classes).to(place)
        scale = state.array("scale", (3,))
        loop.restore(network, state)
        data = torch.from_numpy((x / scale[:, None, None]).astype(np.float32)).to(place)
        return loop.scores(network, len(x), n_classes, lambda i: network(data[i.to(place)]))


def parameters(preset: Preset, n_classes: int) -> int:
    """Return what the source counts: the running statistics too."""
    with torch.device("meta"):
        return loop.parameter_count(build(preset, n_classes), running=True)


def noise(preset: Preset, draw: Callable[..., np.ndarray]) -> np.ndarray:
    """Return features for the bench."""
    return draw(3, SIDE, SIDE)


MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("flow", "strain", "landmarks")},
    settings=("batch_size", "class_weights", "epochs", "learning_rate"),
    source="MEAN; Liong, See, Chan, Signal Processing: Image Communication 110 (2023) 116875",
    libraries=("numba", "numpy", "torch"),
    features=features,
    fit=fit,
    predict=predict,
    build=build,
    parameters=parameters,
    published="published",
    noise=noise,
    gpu=frozenset({"clean", "published"}),
    fit_together=fit_together,
)
