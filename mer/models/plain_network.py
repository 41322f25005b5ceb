"""A model from a plain `torch.nn.Module` and its settings: `network(build)` returns the card.

Training loop, resuming, precision, logs and checkpoints are those of every network here (`mer.models.learner`):
cross-entropy with weights of the classes, batches of clips, a budget fixed in advance, the last epoch as the result.
PyTorch is imported inside functions: a model's file is read before any job starts (`mer.models.contract`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.core.params import Params
from mer.models.clip_array import ClipArray
from mer.models.contract import FeaturesOf, Model
from mer.models.flow_image import flow_image
from mer.models.learner import FoldData, Inputs, Learner, TrainingSetup
from mer.models.state import Features, State, by_name

if TYPE_CHECKING:
    import torch
    from torch import nn

    from mer.models.feed import Feed
    from mer.models.loop import Loss
    from mer.models.surroundings import Optimiser

#: Keys of `train` (`mer.training.recipe.Recipe`) that an experiment may set where a model's settings have them.
OVERRIDABLE = frozenset(
    {"batch_size", "c_grid", "class_weights", "dropout", "epochs", "first", "frames", "inner_folds", "learning_rate"}
    | {"sampler", "shuffle", "size", "units", "weight_decay"}
)
MOTION = {"motion": ("flow", "strain")}


class Settings(Params):
    """How a network is trained; derive from it to add settings that `build` or `features` read."""

    epochs: int = Field(40, ge=1, description="passes over the training clips")
    batch_size: int = Field(16, ge=1, description="clips per step")
    learning_rate: float = Field(1e-3, gt=0, description="step size of the optimiser")
    optimiser: Literal["adam", "adamw", "sgd"] = Field("adam", description="what moves the weights")
    momentum: float = Field(0.9, ge=0, lt=1, description="of `sgd`")
    weight_decay: float = Field(0.0, ge=0, description="L2 factor of the optimiser")
    step: int = Field(0, ge=0, description="epochs after which the step size is multiplied by `gamma`; 0 for never")
    gamma: float = Field(0.1, gt=0, le=1, description="that factor")
    class_weights: Literal["balanced", "none"] | tuple[float, ...] = Field(
        "balanced", description="weight of each class in the loss: balanced, none, or one number per class"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target that all classes get")
    shuffle: bool = Field(True, description="new order of the clips in every epoch")
    scaling: Literal["fold", "none"] = Field(
        "fold",
        description="`fold`: each channel of floating-point features less its mean over the training clips and over "
        "its deviation; bytes are brought to 0-1 in any case",
    )
    size: int = Field(28, ge=4, le=512, description="side of the images that `features` gives, pixels")


def flow_features(clips: Mapping[str, Clip], preset: Any) -> np.ndarray:
    """Return (3, size, size) float32 of u, v and strain; raises `ModelError` as `mer.models.flow_image.flow_image`."""
    return flow_image(clips, preset.size)


def network(
    build: Callable[[Any, int], nn.Module],
    presets: Mapping[str, Settings] | Settings | None = None,
    *,
    inputs: Mapping[str, tuple[str, ...]] = MOTION,
    features: FeaturesOf = flow_features,
    augment: Callable[[dict[str, torch.Tensor], Any], dict[str, torch.Tensor]] | None = None,
    source: str = "a network of the user's",
    libraries: tuple[str, ...] = ("numpy", "torch"),
    **card: Any,
) -> Model:
    """Return the card of a model of a plain network.

    Args:
        build: `build(preset, n_classes)` returns the network with its weights drawn from torch's random state. It is
            called with the features of a batch (B, ...) float32, or by keyword where `features` returns several arrays,
            and returns logits (B, n_classes).
        presets: settings by name, the first the default, all of one class; or one, named `default`.
        inputs: each named input, and the arrays that its product must have (docs/architecture.md).
        features: what the network is given of one clip; see `mer.models.contract.FeaturesOf`.
        augment: `augment(batch, preset)`, in training only, from the batch by name of features ('' for a single array)
            to another; it draws from torch's random state.
        source: where the model comes from, one line.
        libraries: distributions whose versions belong in the checkpoint.
        card: further fields of `mer.models.contract.Model`, such as `gpu` or `noise`.
    """
    named = presets_of(presets, Settings())
    kind, name = type(next(iter(named.values()))), build.__module__.rpartition(".")[2]

    def setup(module: nn.Module, inputs: Inputs, feed: Feed, preset: Settings) -> TrainingSetup:
        return _setup(name, module, inputs, feed, preset, augment)

    def built(preset: Settings, n_classes: int) -> nn.Module:
        from torch import nn

        module = build(preset, n_classes)
        if not isinstance(module, nn.Module):
            found, expected = f"build returns {type(module).__name__}", "a torch.nn.Module"
            raise ModelError(name, found, expected, "does it end in `return`?")
        return module

    learner = Learner(name, kind, built, _prepare, _recall, setup)
    if features is flow_features:
        card = {"noise": lambda preset, draw: draw(3, preset.size, preset.size), **card}
    return Model(
        presets=named,
        inputs=inputs,
        settings=tuple(sorted(OVERRIDABLE & set(kind.model_fields))),
        source=source,
        libraries=libraries,
        features=features,
        fit=learner.fit,
        predict=learner.predict,
        build=built,
        **{"shared": True, **card},
    )


def presets_of(presets: Mapping[str, Params] | Params | None, default: Params) -> dict[str, Any]:
    """Return presets by name: those given, one of them as `default`, or the default; raises `TypeError`."""
    named = dict(presets) if isinstance(presets, Mapping) else {"default": default if presets is None else presets}
    strange = next((preset for preset in named.values() if not isinstance(preset, type(default))), None)
    if strange is not None or not named:
        found = f"presets hold {strange!r}" if named else "presets are empty"
        told = f"{found}; expected settings by name, each of a class derived from {type(default).__module__}.Settings"
        raise TypeError(f'{told}, such as {{"small": Preset()}}')
    return named


def _prepare(features: Features, fold: FoldData, preset: Settings) -> Inputs:
    arrays = by_name(features)
    scaled = {name: array for name, array in arrays.items() if array.dtype.kind == "f" and preset.scaling == "fold"}
    return Inputs(arrays, {f"scale.{name}": statistics(array) for name, array in scaled.items()})


def _recall(features: Features, state: State, preset: Settings) -> Inputs:
    arrays = by_name(features)
    names = [f"scale.{name}" for name in arrays if f"scale.{name}" in state.arrays]
    return Inputs(arrays, {name: state.array(name, (2, None)) for name in names})


def statistics(x: ClipArray) -> np.ndarray:
    """Return (2, channels) float64: mean and deviation of each channel of clips (N, channels, ...).

    A deviation of 0 becomes 1. A channel is an index of the first axis behind that of the clips.
    """
    channels = x.shape[1] if len(x.shape) > 1 else 1
    parts = [block.astype(np.float64).reshape(len(block), channels, -1) for block in x.blocks()]
    count = sum(part.shape[0] * part.shape[2] for part in parts)
    mean = np.sum([part.sum(axis=(0, 2)) for part in parts], axis=0) / count
    squares = np.sum([np.square(part - mean[:, None]).sum(axis=(0, 2)) for part in parts], axis=0)
    deviation = np.sqrt(squares / count)
    return np.stack([mean, np.where(deviation > 1e-9 * np.maximum(1, np.abs(mean)), deviation, 1.0)])


def _setup(
    name: str,
    module: nn.Module,
    inputs: Inputs,
    feed: Feed,
    preset: Settings,
    augment: Callable[[dict[str, torch.Tensor], Any], dict[str, torch.Tensor]] | None,
) -> TrainingSetup:
    import torch

    from mer.models.loop import Schedule

    scales = {key: torch.from_numpy(value).to(feed.place, torch.float32) for key, value in inputs.kept.items()}

    def batch_of(batch: torch.Tensor, training: bool) -> dict[str, torch.Tensor]:
        made = {key: _scaled(clips, scales.get(f"scale.{key}")) for key, clips in feed(batch).items()}
        return augment(made, preset) if training and augment is not None else made

    def outputs(batch: torch.Tensor, training: bool) -> torch.Tensor:
        given = batch_of(batch, training)
        logits: torch.Tensor = module(given[""]) if list(given) == [""] else module(**given)
        return logits

    def loss(batch: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> Loss:
        logits = outputs(batch, True)
        if not isinstance(logits, torch.Tensor) or logits.shape != (len(batch), len(weights)):
            found = f"the network gives {tuple(logits.shape) if hasattr(logits, 'shape') else type(logits).__name__}"
            expected = f"logits {(len(batch), len(weights))}, one for each of the {len(weights)} classes"
            raise ModelError(name, found, expected, "let it end in nn.Linear(..., n_classes)")
        return cross_entropy(logits, labels, weights, preset.label_smoothing)

    return TrainingSetup(
        given=lambda batch, training: list(batch_of(batch, training).values()),
        loss=loss,
        logits=lambda batch: outputs(batch, False),
        optimiser=lambda: _optimiser(module, preset),
        schedule=Schedule(
            preset.epochs, preset.batch_size, step=preset.step, gamma=preset.gamma, shuffle=preset.shuffle
        ),
    )


def cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Return what `torch.nn.functional.cross_entropy` does, by kernels that repeat themselves on a GPU as well.

    Args:
        logits: (B, C).
        labels: (B,) int64.
        weights: (C,) of the classes; the sum over clips is divided by that of their weights.
        smoothing: share of the target that all classes get.
    """
    from torch.nn import functional

    logs = functional.log_softmax(logits, dim=1)
    each = weights[labels]
    own = -(each * logs.gather(1, labels[:, None])[:, 0]).sum()
    value = own if not smoothing else (1 - smoothing) * own - smoothing / len(weights) * (weights * logs).sum()
    return value / each.sum()


def _scaled(clips: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    if not clips.is_floating_point():
        return clips.float() / 255
    if scale is None:
        return clips.float()
    mean, deviation = scale.reshape(2, 1, -1, *[1] * (clips.ndim - 2)) if clips.ndim > 1 else scale[:, :1]
    return (clips.float() - mean) / deviation


def _optimiser(module: nn.Module, preset: Settings) -> Optimiser:
    import torch

    learned = [weight for weight in module.parameters() if weight.requires_grad]
    if preset.optimiser == "sgd":
        return torch.optim.SGD(learned, preset.learning_rate, preset.momentum, weight_decay=preset.weight_decay)
    kind = torch.optim.AdamW if preset.optimiser == "adamw" else torch.optim.Adam
    return kind(learned, lr=preset.learning_rate, weight_decay=preset.weight_decay)
