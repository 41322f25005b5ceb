"""Overrides of a model's preset, checked without importing the model.

Every key is optional; what is left out comes from the preset. A key that the model does not have is an error, so that
no setting is silently ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.core.registry import lookup, nearest
from mer.models.registry import MODELS, PRESETS, SETTINGS

# Keys of the training loop, not of a preset: every model that is trained in epochs has them.
LOOP_KEYS = ("gradient_clip", "inner", "precision")

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
    trunk: str | None = Field(
        default=None, description="weights of a pretrained trunk: a name of `mer weights list`, or a file"
    )
    inner_folds: int | None = Field(default=None, ge=2, description="inner, subject-grouped folds that choose C")

    precision: Literal["float32", "bf16", "auto"] | None = Field(
        default=None,
        description="numbers that products are computed in; `auto` takes bf16 where the machine is faster in it, so "
        "that results depend on the machine; `ststnet` and `mean` have float32 on a CPU whatever it says",
    )
    gradient_clip: NotNegative | None = Field(
        default=None, description="largest norm of the gradient of all weights together; 0 for no limit"
    )
    inner: Inner | None = Field(default=None, description="choose the number of epochs on inner subjects")

    def overrides(self) -> dict[str, Any]:
        """Return the keys that are set."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


def keys_of(model: str) -> tuple[str, ...]:
    """Return the keys that a recipe of `model` may have: its own settings, and those of the loop that trains it."""
    own = SETTINGS[model]
    return (*own, *LOOP_KEYS) if "epochs" in own else own


def check(model: str, preset: str | None, recipe: Recipe, n_classes: int, where: str) -> str:
    """Check the names and keys of an experiment; return its preset, the model's first when `preset` is None.

    Raises:
        ConfigError: unknown model or preset, a key that the model does not have, or class weights that do not fit
            `n_classes`; `where` is the path of the experiment in the configuration.
    """
    lookup(MODELS, model, f"{where}.model")
    names = PRESETS[model]
    if preset is not None and preset not in names:
        found = f"unknown preset {preset!r} of {model}"
        raise ConfigError(f"{where}.preset", found, "a preset of the model", nearest(preset, names))
    for key, value in recipe.overrides().items():
        if key not in keys_of(model):
            found = f"{model} has no setting {key!r}"
            raise ConfigError(f"{where}.recipe.{key}", found, "a setting of the model", nearest(key, keys_of(model)))
        if key == "class_weights" and not isinstance(value, str) and len(value) != n_classes:
            raise ConfigError(f"{where}.recipe.{key}", f"{len(value)} weights", f"{n_classes}, one for each class")
    return names[0] if preset is None else preset


def settings(preset: Params, recipe: Recipe, where: str) -> Params:
    """Return the preset with the recipe's overrides in place.

    Raises:
        ConfigError: an override is not a field of the preset, or has a value that it refuses.
    """
    try:
        own = {name: value for name, value in recipe.overrides().items() if name not in LOOP_KEYS}
        return type(preset).model_validate({**preset.model_dump(), **own})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{where}.recipe.{first['loc'][0]}", first["msg"].lower(), "a setting of the model"
        ) from error
