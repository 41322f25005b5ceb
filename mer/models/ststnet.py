"""STSTNet: a shallow triple-stream network on one 28×28 flow image (Liong et al., FG 2019; specs/peers.md §3.2).

Three parallel streams of 3, 5 and 8 filters (3×3, padding 2) see the same three channels u, v, strain; ReLU, batch
normalisation, 3×3 maximum pooling with stride 3, dropout. Their concatenation, 16×10×10, is averaged 2×2 and read by
one linear layer. No filter sees another's output before that layer, so the streams are one convolution with 16
filters, which is how they are computed here. Parameters: 16·(27 + 1) + 2·16 + 400·C + C; 1,683 for three classes.

Presets:

- `published` the authors' recipe: every channel of every image stretched to 0–255 as in the published images, no
  shuffling, plain cross-entropy, batches of 256, Adam with learning rate 5e-5 for 800 epochs.
- `clean` fixed in advance, not tuned: every channel of every image standardised by itself, shuffled batches of 64,
  class-balanced cross-entropy, Adam with weight decay 1e-3 and learning rate 1e-3 for 40 epochs.

The weights after the last epoch are the result; no epoch is chosen on anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.core.container import Clip
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.adam import adam
from mer.models.compiled_step import StepLoss, entropy
from mer.models.contract import Model
from mer.models.conv_norm_pool import Batch, Prepared, Streams, Window, dropout_mask
from mer.models.flow_image import flow_image
from mer.models.state import Features, State, class_weights, require_classes
from mer.models.together import Adam, Share, Tensors, described, normalised, train_together

SIDE = 28
FILTERS = (3, 5, 8)
WINDOW = Window(kernel=3, padding=2, pool=3, pool_padding=1)


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


class Network(nn.Module):
    """The network: (N, 3, 28, 28) float32 → (N, n_classes) logits."""

    def __init__(self, n_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        width = sum(FILTERS)
        self.streams = nn.Sequential(
            nn.Conv2d(3, width, WINDOW.kernel, padding=WINDOW.padding),
            nn.ReLU(),
            nn.BatchNorm2d(width),
            nn.MaxPool2d(WINDOW.pool, padding=WINDOW.pool_padding),
        )
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(width * 5 * 5, n_classes)
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (N, n_classes) logits of (N, 3, 28, 28) images."""
        pooled = self.streams(x)
        if self.training:
            pooled = pooled * dropout_mask(tuple(pooled.shape), self.dropout, pooled.device)
        return self.head(self.pool(pooled).flatten(1))

    def compiled_loss(self, labels: np.ndarray, factors: np.ndarray) -> Callable[[Batch], StepLoss]:
        """Return the cross-entropy of a training step on a CPU, as `forward` and `nn.CrossEntropyLoss` have it.

        Args:
            labels: (N,) int64 of all clips of the `mer.models.conv_norm_pool.Prepared` that batches come from.
            factors: (n_classes,) weights of the classes.
        """
        conv, norm = cast(nn.Conv2d, self.streams[0]), cast(nn.BatchNorm2d, self.streams[2])
        streams = Streams([conv], [norm], WINDOW, self.dropout)
        parameters = [*streams.parameters, *self.head.parameters()]

        def compute(batch: Batch) -> StepLoss:
            pooled, back = streams.forward(batch)
            weight, bias = self.head.weight.detach().numpy(), self.head.bias.detach().numpy()
            # The averaging of 2×2 values is folded into the weights.
            spread = 0.25 * weight.reshape(-1, sum(FILTERS), 5, 5).repeat(2, axis=2).repeat(2, axis=3)
            classes = labels[batch.clips]
            own = factors[classes]
            flat = pooled.reshape(len(batch), -1), spread.reshape(len(spread), -1)
            loss, d_x, d_spread, d_bias = entropy(*flat, bias, classes, own, own.sum())
            d_weight = 0.25 * d_spread.reshape(-1, sum(FILTERS), 5, 2, 5, 2).sum(axis=(3, 5))
            return StepLoss(loss, parameters, [*back(d_x), d_weight.reshape(weight.shape), d_bias])

        return compute


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
    """Train for the preset's epochs; see `mer.models.contract` for the arguments.

    Raises:
        ModelError: the training part has a single class, or the loss is no longer finite.
    """
    require_classes(labels)
    weight = class_weights(preset.class_weights, labels, n_classes)
    with loop.reproducible(derive_seed(seed, "ststnet"), device) as place:
        network = Network(n_classes, preset.dropout).to(place)
        images = torch.from_numpy(np.asarray(features)).to(place)
        x = Prepared(images, WINDOW)
        y = torch.from_numpy(labels.astype(np.int64)).to(place)
        criterion = nn.CrossEntropyLoss(torch.from_numpy(weight).to(place, torch.float32))

        compiled = network.compiled_loss(labels.astype(np.int64), weight)

        def loss(indices: torch.Tensor) -> loop.Loss:
            batch = x.batch(indices)
            if isinstance(batch, Batch):
                return compiled(batch)
            value: torch.Tensor = criterion(network(batch), y[indices.to(place)])
            return value

        optimiser = adam(network.parameters(), place, preset.learning_rate, weight_decay=preset.weight_decay)
        plan = loop.Schedule(preset.epochs, preset.batch_size, shuffle=preset.shuffle)
        final = loop.train(network, loss, len(images), plan, optimiser, log, "ststnet", rounded=x.computes)
        told = loop.describe(loop.outputs(network, images), labels)
        arrays = loop.arrays_of(network)
    log(f"ststnet: {preset.epochs} epochs, loss {final:.4f}, training accuracy {told['training_accuracy']:.3f}")
    return State(arrays, {"n_classes": n_classes, "training_loss": final, **told})


class _Member:
    """STSTNet for `mer.models.together`."""

    def __init__(self, n_classes: int, dropout: float) -> None:
        self.n_classes, self.dropout = n_classes, dropout

    def build(self) -> nn.Module:
        return Network(self.n_classes, self.dropout)

    def masks(self, count: int) -> list[torch.Tensor]:
        return [dropout_mask((count, 10 * 10 * sum(FILTERS)), self.dropout, torch.device("cpu"))]

    def forward(
        self, weights: Tensors, x: torch.Tensor, present: torch.Tensor, masks: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, Tensors]:
        made = functional.conv2d(x, weights["streams.0.weight"], weights["streams.0.bias"], padding=WINDOW.padding)
        scale, shift = weights["streams.2.weight"], weights["streams.2.bias"]
        made, mean, variance = normalised(made.relu(), scale, shift, present, 1e-5)
        pooled = functional.max_pool2d(made, WINDOW.pool, padding=WINDOW.pool_padding)
        kept = pooled * masks[0].unflatten(1, (-1, 10, 10))
        logits = functional.linear(
            functional.avg_pool2d(kept, 2).flatten(1), weights["head.weight"], weights["head.bias"]
        )
        return logits, {"streams.2.running_mean": mean, "streams.2.running_var": variance}

    def loss(
        self, weights: Tensors, logits: torch.Tensor, labels: torch.Tensor, factors: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        own = functional.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
        weight = factors[labels] * present
        return -(weight * own).sum() / weight.sum().clamp(min=1e-12)


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
        features: those of all clips of all folds, stacked (N, 3, 28, 28).
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
    own = [dataclasses.replace(share, seed=derive_seed(share.seed, "ststnet")) for share in shares]
    weights = [class_weights(preset.class_weights, share.labels, n_classes) for share in shares]
    with loop.reproducible(0, device) as place:
        x = torch.from_numpy(np.asarray(features)).to(place)
        factors = torch.from_numpy(np.stack(weights)).to(place, torch.float32)
        plan = loop.Schedule(preset.epochs, preset.batch_size, shuffle=preset.shuffle)
        adam = Adam(preset.learning_rate, decay=preset.weight_decay)
        ones = torch.ones(len(shares), 1, 1, 1, device=place)
        member = _Member(n_classes, preset.dropout)
        arrays, losses = train_together(member, x, own, ones, factors, plan, adam, 0.1, log, "ststnet")
        network = Network(n_classes).to(place).eval()
        states = []
        for share, held, final in zip(shares, arrays, losses, strict=True):
            images = x[torch.from_numpy(share.clips).to(place)]
            states.append(State(held, described(network, held, images, share, n_classes, final)))
    return states


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 softmax probabilities.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    n_classes = int(state.meta["n_classes"])
    with loop.reproducible(0, device) as place, torch.no_grad():
        net = Network(n_classes).to(place).eval()
        loop.restore(net, state)
        x = torch.from_numpy(np.asarray(features)).to(place)
        # Clip by clip: a convolution may round differently in a larger batch.
        logits = torch.cat([net(image[None]) for image in x]) if len(x) else torch.zeros(0, n_classes)
        return functional.softmax(logits.double(), dim=1).cpu().numpy()


def build(preset: Preset, n_classes: int) -> nn.Module:
    """Return the network of a preset with fresh weights from torch's random state."""
    return Network(n_classes, preset.dropout)


def noise(preset: Preset, draw: Callable[..., np.ndarray]) -> np.ndarray:
    """Return features for the bench."""
    return draw(3, SIDE, SIDE)


MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("flow", "strain")},
    settings=("batch_size", "class_weights", "dropout", "epochs", "learning_rate", "shuffle", "weight_decay"),
    source="STSTNet; Liong, Gan, See, Khor, Huang, FG 2019",
    libraries=("numba", "numpy", "torch"),
    features=features,
    fit=fit,
    predict=predict,
    build=build,
    published="published",
    noise=noise,
    fit_together=fit_together,
)
