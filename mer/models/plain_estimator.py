"""A model from a scikit-learn estimator: `estimator(build)` returns the card.

The features of a clip become one row of numbers. One number of the estimator may be chosen on inner persons of the
training part. What it learned is kept as arrays (`mer.models.fitted`); a clip is scored alone, so that no rounding
depends on the clips beside it. scikit-learn is imported inside functions (`mer.models.contract`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from mer.core.errors import ModelError
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models.contract import FeaturesOf, Model
from mer.models.fitted import kept, restored
from mer.models.inner_choice import choose, told
from mer.models.plain_network import MOTION, OVERRIDABLE, flow_features, presets_of
from mer.models.state import Features, State, by_name, require_classes


class Settings(Params):
    """Settings of an estimator; derive from it to add some that `build` or `features` read."""

    c_grid: tuple[float, ...] = Field((1.0,), min_length=1, description="values that `parameter` is chosen from")
    inner_folds: int = Field(3, ge=2, description="inner folds of persons that choose it")
    size: int = Field(7, ge=2, le=512, description="side of the images that `features` gives, pixels")


def estimator(
    build: Callable[[Any], Any],
    presets: Mapping[str, Settings] | Settings | None = None,
    *,
    parameter: str = "",
    inputs: Mapping[str, tuple[str, ...]] = MOTION,
    features: FeaturesOf = flow_features,
    source: str = "an estimator of the user's",
    libraries: tuple[str, ...] = ("numpy", "scikit-learn"),
    **card: Any,
) -> Model:
    """Return the card of a model of a scikit-learn classifier.

    Args:
        build: `build(preset)` returns the unfitted classifier, also a pipeline; it must keep all that it learns in
            numbers, arrays, trees and estimators, as most but gradient boosting do.
        presets: settings by name, the first the default, all of one class; or one, named `default`.
        parameter: of the classifier, as its `set_params` names it (`svc__C`), that `c_grid` is tried for; '' for none.
        inputs: each named input, and the arrays that its product must have (docs/architecture.md).
        features: arrays of one clip; see `mer.models.contract.FeaturesOf`. They become one row, in the order of names.
        source: where the model comes from, one line.
        libraries: distributions whose versions belong in the checkpoint.
        card: further fields of `mer.models.contract.Model`, such as `noise`.
    """
    named = presets_of(presets, Settings())
    kind = type(next(iter(named.values())))
    fitter = Fitter(build.__module__.rpartition(".")[2], kind, build, parameter)
    settings = set(kind.model_fields) & OVERRIDABLE - (set() if parameter else {"c_grid", "inner_folds"})
    return Model(
        presets=named,
        inputs=inputs,
        settings=tuple(sorted(settings)),
        source=source,
        libraries=libraries,
        features=features,
        fit=fitter.fit,
        predict=fitter.predict,
        **{"parameters": lambda preset, n_classes: None, **card},
    )


@dataclass(frozen=True)
class Fitter:
    """A model of an estimator; its methods are what `mer.models.contract.Model` asks for.

    Attributes:
        name: of the model.
        preset: class of its presets.
        build, parameter: as `estimator` takes them.
    """

    name: str
    preset: type[Params]
    build: Callable[[Any], Any]
    parameter: str

    def fit(
        self,
        features: Features,
        labels: np.ndarray,
        groups: np.ndarray,
        n_classes: int,
        preset: Any,
        seed: int,
        log: Callable[[str], None],
        device: str = "cpu",
    ) -> State:
        """Choose the parameter on inner persons, then train on all clips; see `mer.models.contract` for the arguments.

        Raises:
            ModelError: one class only, or an estimator that cannot be kept as arrays.
        """
        require_classes(labels)
        x = rows_of(features)

        def trained(value: float, taken: np.ndarray) -> Any:
            made = _seeded(self.build(preset), derive_seed(seed, self.name))
            return (made.set_params(**{self.parameter: value}) if self.parameter else made).fit(x[taken], labels[taken])

        def answers(value: float, held: np.ndarray) -> np.ndarray:
            return scores_of(trained(value, ~held), x[held], n_classes).argmax(axis=1)

        grid = preset.c_grid if self.parameter else (1.0,)
        value, inner = choose(grid, labels, groups, n_classes, preset.inner_folds, seed, answers)
        state = _checked(trained(value, np.ones(len(x), bool)), self.build(preset), x, n_classes)
        log(f"{self.name}: {f'{self.parameter} = {value:g} ({told(inner)})' if self.parameter else 'trained'}")
        meta = {"n_classes": n_classes, "preset": preset.model_dump(mode="json"), "inner_macro_f1": inner}
        return State(state.arrays, {**state.meta, **meta})

    def predict(self, state: State, features: Features, device: str = "cpu") -> np.ndarray:
        """Return (N, C) float64 scores, as `scores_of`.

        Raises:
            ModelError: the checkpoint does not hold this estimator.
        """
        preset = self.preset.model_validate(state.meta.get("preset", {}))
        return scores_of(restored(state, self.build(preset)), rows_of(features), int(state.meta["n_classes"]))


def rows_of(features: Features) -> np.ndarray:
    """Return (N, values) float64: the features of each clip in one row, arrays in the order of their names."""
    arrays = by_name(features)
    parts = [np.asarray(arrays[name]) for name in sorted(arrays)]
    return np.concatenate([part.reshape(len(part), -1).astype(np.float64) for part in parts], axis=1)


def scores_of(made: Any, x: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (N, C) float64: distances from the boundary where there are any, else probabilities.

    A class that the estimator has not seen scores one less than the least of the others.
    """
    present = np.asarray(made.classes_, dtype=np.int64)
    scores = np.zeros((len(x), n_classes))
    for number in range(len(x)):
        if hasattr(made, "decision_function"):
            values = np.ravel(made.decision_function(x[number : number + 1]))
        else:
            values = np.ravel(made.predict_proba(x[number : number + 1]))
        if len(present) == 2 and len(values) == 1:
            values = np.array([-values[0], values[0]])
        scores[number] = values.min() - 1
        scores[number, present] = values
    return scores


def _seeded(built: Any, seed: int) -> Any:
    names = [name for name in built.get_params(deep=True) if name.rpartition("__")[2] == "random_state"]
    return built.set_params(**dict.fromkeys(names, seed % 2**32))


def _checked(made: Any, built: Any, x: np.ndarray, n_classes: int) -> State:
    """Return what a trained estimator knows, once it is seen that it scores alike when made again.

    Raises:
        ModelError: what it knows cannot be kept.
    """
    state, expected = kept(made), scores_of(made, x, n_classes)
    try:
        # Within rounding: arrays come back in another order of memory.
        same = np.allclose(scores_of(restored(state, built), x, n_classes), expected, rtol=1e-7, atol=1e-9)
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError("estimator", f"cannot be kept as arrays ({error})", remedy="take another one") from error
    if not same:
        raise ModelError("estimator", "scores otherwise once it was kept as arrays", remedy="take another one")
    return state
