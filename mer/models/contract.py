"""What a recognition model is: its card, and the functions that the training calls.

A model is one file that ends in `MODEL = Model(...)`, and one line in `mer.models.registry`. The file is read whenever
a configuration names the model, before any job starts, so it imports PyTorch, scikit-learn and OpenCV only inside
functions, or keeps its network in a file beside it. `mer.testing.models.check_model` runs the contract tests on any
such card.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from mer.core.container import Clip
from mer.core.params import Params
from mer.models.state import Features, State

if TYPE_CHECKING:
    from torch import nn

#: Annotated action-unit numbers of a clip, or None where nobody coded it.
Units = tuple[int, ...] | None


class FeaturesOf(Protocol):
    """`features(clips, preset[, units])`: the network's view of one clip."""

    def __call__(self, clips: Mapping[str, Clip], preset: Any, *units: Any, **named: Any) -> Features:
        """Return arrays of the same shape and type for every clip, from that clip alone: float32, or uint8 for images.

        Args:
            clips: the clip in each input that the preset looks at, by its name; arrays as in docs/architecture.md.
            preset: settings.
            units: passed when the model's `units` names `features`: the clip's annotated action units (`Units`), those
                of a held-out clip only when the experiment says `regions: annotation`, else None.
            named: none; a model may have defaults of its own.

        Raises:
            ClipError: this clip cannot be used; it is excluded with the reason.
            ModelError: the product is of the wrong kind; the job stops.
        """


class Fit(Protocol):
    """`fit(...)`: one training."""

    def __call__(
        self,
        features: Features,
        labels: np.ndarray,
        groups: np.ndarray,
        n_classes: int,
        preset: Any,
        seed: int,
        log: Callable[[str], None],
        device: str = "cpu",
        *others: Any,
        **units: Any,
    ) -> State:
        """Train on the clips given and return all that `predict` needs. Deterministic in its arguments.

        Args:
            features: those of the clips, stacked on a new first axis (N, ...).
            labels: (N,) int64 in [0, n_classes); some class may be missing.
            groups: (N,) str, the person of each clip, for inner splits.
            n_classes: C.
            preset: settings; the budget in them is fixed, nothing in it depends on a held-out clip.
            seed: decides every random number.
            log: takes one line.
            device: `cpu` or `cuda`.
            others: none; a model may have defaults of its own.
            units: `units=[...]`, one `Units` per clip, when the model's `units` names `fit`.

        Raises:
            ModelError: the training part has a single class, or the loss is no longer finite.
        """


class Footprint(NamedTuple):
    """What training a preset takes on a CPU besides its clips, MiB; `python -m mer.bench.memory` measures it.

    Attributes:
        learned: weights, gradients and two moments.
        step: everything else of one step at the preset's own batch size, frames and image size.
    """

    learned: int
    step: int


@dataclass(frozen=True)
class Model:
    """The card of a model.

    Attributes:
        presets: complete, named settings, all of one class; the first is the default.
        inputs: each named input and the arrays that its product must have (docs/architecture.md).
        unread: `unread(preset)`, the inputs that a preset with these settings does not look at.
        settings: keys of `train` (`mer.training.recipe.Recipe`) that an experiment may override, in alphabetical order;
            fields of every preset that mean the same. With `epochs` among them the model is trained by
            `mer.models.loop.train`.
        source: where the model comes from, one line.
        libraries: distributions whose versions belong in the checkpoint.
        features, fit: see the protocols above.
        predict: `predict(state, features, device)` returns (N, C) float64 scores, finite, larger is more likely; a
            clip's do not depend on the other clips. It raises `ModelError` where the state is not of this model.
        build: `build(preset, n_classes)`, the network with its weights drawn; None for a model that is none.
        parameters: `parameters(preset, n_classes)`, how many numbers one fold trains; None to count those of
            `build`. It returns None where that depends on the clips.
        counts_running: whether running means and variances count among them, as they do in the source.
        classes: number of classes that a preset was published for, where it is not three.
        published: the preset that `mer bench systems` times; None to leave the model out.
        noise: `noise(preset, draw)`, an example of features: those of some clips in the shapes and types of `features`,
            from `draw(*shape, kind=np.float32)`, which returns random values of that shape behind the axis of clips,
            0–255 for uint8, else in 0–1. That bench trains on them, and the workflow asks for the memory of as many as
            a job has.
        footprints: what training each preset takes besides; `python -m mer.bench.memory` measures it. Without one the
            workflow asks for what most models need.
        gpu: presets whose training a GPU pays for even one fold at a time. With `fit_together` it pays for all.
        shared: `fit` and `predict` take `mer.models.clip_array.ClipArray` in place of arrays, and so copy no clip;
            other models get plain arrays.
        costly: presets whose features cost more than reading them back. They are computed once per clip, on the device
            of the training (`features` takes `device=`), and kept beside the experiment.
        seen: the settings that the features of those presets read, and no other.
        units: which of `features` and `fit` take annotated action units.
        fit_together: `fit_together(features, shares, n_classes, preset, log, device)` trains several folds at once on a
            GPU: for each share (`mer.models.together.Share`) what `fit` gives it alone, within rounding; None where the
            model cannot.
        start: presets whose `fit` takes `start=`, the State that a spotting experiment learned on the fold's training
            persons (`train: {trunk: spotting/<name>}`); for each a function that returns one of fresh weights, for
            tests.
        from_keras: `from_keras(path, classes, order)` returns the State of a published Keras file whose outputs are
            `order`; None where nothing is published.
    """

    presets: Mapping[str, Params]
    inputs: Mapping[str, tuple[str, ...]]
    settings: tuple[str, ...]
    source: str
    libraries: tuple[str, ...]
    features: FeaturesOf
    fit: Fit
    predict: Callable[..., np.ndarray]
    build: Callable[[Any, int], nn.Module] | None = None
    parameters: Callable[[Any, int], int | None] | None = None
    counts_running: bool = False
    classes: Mapping[str, int] = field(default_factory=dict)
    published: str | None = None
    noise: Callable[[Any, Callable[..., np.ndarray]], Features] | None = None
    footprints: Mapping[str, Footprint] = field(default_factory=dict)
    gpu: frozenset[str] = frozenset()
    shared: bool = False
    costly: frozenset[str] = frozenset()
    seen: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    fit_together: Callable[..., list[State]] | None = None
    start: Mapping[str, Callable[[], State]] = field(default_factory=dict)
    from_keras: Callable[[str, tuple[str, ...], tuple[str, ...]], State] | None = None
    unread: Callable[[Any], frozenset[str]] = lambda preset: frozenset()

    @property
    def default(self) -> str:
        """The name of the first preset."""
        return next(iter(self.presets))

    @property
    def in_epochs(self) -> bool:
        """Whether it is trained in epochs, by the loop that all networks share."""
        return "epochs" in self.settings

    def inputs_of(self, preset: Params) -> dict[str, tuple[str, ...]]:
        """Return the inputs that a preset looks at, with the arrays of each."""
        return {name: arrays for name, arrays in self.inputs.items() if name not in self.unread(preset)}

    def classes_of(self, preset: str) -> int:
        """Return the number of classes that a preset was published for."""
        return self.classes.get(preset, 3)
