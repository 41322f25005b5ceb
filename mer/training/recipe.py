"""Overrides of a model's preset: the `train` block of an experiment, and the one check of it.

Every key is optional; what is left out comes from the preset. A key that the model does not have is an error, so that
no setting is silently ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError, model_validator

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.core.registry import nearest
from mer.models.contract import Model
from mer.models.registry import model
from mer.weights.per_fold import WeightFiles

# Keys of the training loop, not of a preset: every model that is trained in epochs has them.
LOOP_KEYS = ("gradient_clip", "inner", "precision")
# Any model can be given what an earlier run of it learned.
OUTSIDE_KEYS = ("weights",)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Inner(Params):
    """Choosing the number of epochs on persons of the training part, who are then trained on with the others.

    The budget of the preset or recipe is the largest number of epochs. The held-out subjects take no part.
    """

    folds: int | None = Field(default=None, ge=2, description="inner folds by subject, each scored by the others")
    share: float | None = Field(
        default=None, ge=0.05, le=0.5, description="instead of folds: share of the training clips to score on"
    )
    patience: int | None = Field(
        default=None, ge=1, description="stop the search after so many epochs without a better score"
    )
    steps: int = Field(default=10, ge=2, le=100, description="how many numbers of epochs are tried, evenly spaced")

    @model_validator(mode="after")
    def _one_way(self) -> Inner:
        if (self.folds is None) == (self.share is None):
            raise ValueError("either folds or share")
        return self


class Recipe(Params):
    """Training settings that differ from the preset. The number of epochs is a budget: the last epoch is the result."""

    epochs: int | None = Field(default=None, ge=1, le=100_000, description="passes over the training clips")
    batch_size: int | None = Field(default=None, ge=1, description="clips per step")
    learning_rate: Positive | None = Field(default=None, le=10, description="step size of Adam")
    weight_decay: NotNegative | None = Field(default=None, description="L2 factor of Adam")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="share of values dropped while training")
    shuffle: bool | None = Field(default=None, description="new order of the clips in every epoch")
    class_weights: Literal["balanced", "none"] | tuple[NotNegative, ...] | None = Field(
        default=None, description="weight of each class in the loss: balanced, none, or one number per class"
    )
    c_grid: tuple[Positive, ...] | None = Field(default=None, min_length=1, description="values of C to choose from")
    regions: Literal["annotation", "predicted", "none"] | None = Field(
        default=None,
        description="who chooses the facial region of a clip: `annotation`, its own coded action units (an oracle, and "
        "named so in every table), `predicted`, a detector trained inside the fold, or `none`",
    )
    region: str | None = Field(
        default=None,
        description="the region of the second branch of a clip for which nobody chooses: a name of the table of "
        "regions, `all_four`, or `none` for the clip itself",
    )
    units: tuple[Annotated[int, Field(ge=1, le=99)], ...] | None = Field(
        default=None,
        min_length=1,
        description="the action units that choose a region; all that the table of regions names when absent",
    )
    frames: int | None = Field(default=None, description="number of frames that the network is given of a clip")
    sampler: str | None = Field(
        default=None,
        description="which frames: `span`, evenly over the product; `span_whole`, the same, truncated to whole frames; "
        "`first_n`, from `first` on; `topk_diff`, before the largest changes; `topk_to_offset`, before those up to the "
        "offset; `uniform`, evenly from onset to offset; `apex_window`, around the apex",
    )
    first: int | None = Field(
        default=None, description="frame of the product, from 0, that sampler `first_n` begins with"
    )
    size: int | None = Field(default=None, description="side of the frames that the network is given, pixels")
    trunk: str | None = Field(
        default=None,
        description="weights of a pretrained trunk: a name of `mer weights list`, or a file; of `mean`, preset "
        "`published`, `spotting/<name>`: the models that this spotting experiment trained without the same person",
    )
    weights: WeightFiles | None = Field(
        default=None,
        description="weights that are used as they are: nothing is trained (docs/weights.md)",
    )
    inner_folds: int | None = Field(default=None, ge=2, description="inner, subject-grouped folds that choose C")

    precision: Literal["float32", "tf32", "bf16", "auto"] | None = Field(
        default=None,
        description="numbers that products are computed in; `tf32` needs a GPU of 2020 or later; `auto` takes bf16 "
        "where the machine is faster in it, so that results depend on the machine; `ststnet` and `mean` have float32 "
        "on a CPU whatever else it says",
    )
    gradient_clip: NotNegative | None = Field(
        default=None, description="largest norm of the gradient of all weights together; 0 for no limit"
    )
    inner: Inner | None = Field(default=None, description="choose the number of epochs on inner subjects")

    def overrides(self) -> dict[str, Any]:
        """Return the keys that are set."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


def keys_of(card: Model) -> tuple[str, ...]:
    """Return the keys that a recipe of the model may have: its own settings, and those of the loop that trains it."""
    return (*card.settings, *OUTSIDE_KEYS, *(LOOP_KEYS if card.in_epochs else ()))


def trains_together(card: Model, recipe: Recipe) -> bool:
    """Return whether a GPU trains several folds of the model at once: not with what only the loop of one fold has."""
    plain = recipe.inner is None and not recipe.gradient_clip and recipe.precision not in ("bf16", "tf32")
    begun = recipe.trunk is not None or recipe.weights is not None
    return card.fit_together is not None and plain and not begun


class Settled(NamedTuple):
    """The name of a preset, and its settings with a recipe's overrides in place: an object of the preset's class."""

    preset: str
    settings: Params


def settle(name: str, preset: str | None, recipe: Recipe, where: str, n_classes: int | None = None) -> Settled:
    """Check an experiment's model, preset and recipe, and put the recipe's overrides in place.

    Args:
        name: of the model.
        preset: of one of its presets; its first when None.
        recipe: overrides.
        where: path of the experiment in the configuration, or what stands for one, for messages.
        n_classes: size of the class set; None while it is not known, then the class weights are not counted.

    Raises:
        ConfigError: unknown model or preset, a preset without the trunk that it needs, a key that the model does not
            have, a value that its presets refuse, or class weights, the recipe's or the preset's, that do not fit the
            class set.
    """
    card = model(name, f"{where}.model")
    preset = card.default if preset is None else preset
    if preset not in card.presets:
        expected = f"one of {', '.join(card.presets)}"
        raise ConfigError(f"{where}.preset", f"unknown preset {preset!r}", expected, nearest(preset, card.presets))
    overrides = recipe.overrides()
    for key in overrides:
        if key not in keys_of(card):
            found, remedy = f"model {name} has no such setting", nearest(key, keys_of(card))
            raise ConfigError(f"{where}.train.{key}", found, "one of its own", remedy)
    given = {key: value for key, value in overrides.items() if key not in LOOP_KEYS + OUTSIDE_KEYS}
    base = card.presets[preset]
    if preset in card.start and recipe.trunk is None and recipe.weights is None:
        found = f"preset {preset} trains its head on a trunk that learned to spot, and none is named"
        expected = "trunk: spotting/<name>, or weights"
        raise ConfigError(f"{where}.train.trunk", found, expected, "or take the preset joint, which needs none")
    try:
        settled = Settled(preset, type(base).model_validate({**base.model_dump(), **given}))
    except ValidationError as error:
        fault = error.errors()[0]
        found = f"bad value {fault['input']!r}: {fault['msg'].removeprefix('Value error, ').lower()}"
        raise ConfigError(f"{where}.train.{fault['loc'][0]}", found, f"a value that preset {preset} takes") from error
    if n_classes is not None:
        count_class_weights(settled, recipe, n_classes, where)
    return settled


def count_class_weights(settled: Settled, recipe: Recipe, n_classes: int, where: str) -> None:
    """Refuse class weights that do not fit a class set: all that `settle` cannot know of before the rows are read.

    Raises:
        ConfigError: another number of weights than `n_classes`.
    """
    weights = settled.settings.model_dump().get("class_weights")
    if isinstance(weights, tuple) and len(weights) != n_classes:
        found = f"{len(weights)} weights" + (f" in preset {settled.preset}" if recipe.class_weights is None else "")
        raise ConfigError(f"{where}.train.class_weights", found, f"{n_classes}, one for each class")
