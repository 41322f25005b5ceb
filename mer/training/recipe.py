"""Overrides of a model's preset, checked without importing the model.

Every key is optional; what is left out comes from the preset. A key that the model does not have is an error, so that
no setting is silently ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.core.registry import lookup, nearest
from mer.models.registry import MODELS, PRESETS, SETTINGS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


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
    inner_folds: int | None = Field(default=None, ge=2, description="inner, subject-grouped folds that choose C")

    def overrides(self) -> dict[str, Any]:
        """Return the keys that are set."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


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
        if key not in SETTINGS[model]:
            found = f"{model} has no setting {key!r}"
            raise ConfigError(f"{where}.recipe.{key}", found, "a setting of the model", nearest(key, SETTINGS[model]))
        if key == "class_weights" and not isinstance(value, str) and len(value) != n_classes:
            raise ConfigError(f"{where}.recipe.{key}", f"{len(value)} weights", f"{n_classes}, one for each class")
    return names[0] if preset is None else preset


def settings(preset: Params, recipe: Recipe, where: str) -> Params:
    """Return the preset with the recipe's overrides in place.

    Raises:
        ConfigError: an override is not a field of the preset, or has a value that it refuses.
    """
    try:
        return type(preset).model_validate({**preset.model_dump(), **recipe.overrides()})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{where}.recipe.{first['loc'][0]}", first["msg"].lower(), "a setting of the model"
        ) from error
