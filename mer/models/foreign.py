"""The model of a plug-in, held to its contract while a job runs: what it does wrong ends in one line with its file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.core.plugins import blaming, label
from mer.models.contract import Model
from mer.models.state import by_name

REMEDY = "see `mer check-plugin`"


def guarded(card: Model, name: str, module: str) -> Model:
    """Return a card whose functions raise a `ModelError` for whatever they do wrong.

    Args:
        card: of the plug-in.
        name: of the model.
        module: of the plug-in.
    """

    def called(function: Callable[..., Any], what: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            with blaming(module, f"{what} of model {name}"):
                return function(*given, **named)

        return call

    predict = called(card.predict, "predict")

    def checked(state: Any, features: Any, *others: Any, **named: Any) -> np.ndarray:
        scores = predict(state, features, *others, **named)
        count, found = len(next(iter(by_name(features).values()))), ""
        if not isinstance(scores, np.ndarray) or scores.ndim != 2 or len(scores) != count:
            found = f"scores {getattr(scores, 'shape', type(scores).__name__)} for {count} clips"
        elif not np.isfinite(scores).all():
            found = "scores that are not finite"
        if found:
            raise ModelError(label(module), f"model {name}: {found}", f"finite scores ({count}, classes)", REMEDY)
        return scores

    features, fit = called(card.features, "features"), called(card.fit, "fit")
    return dataclasses.replace(card, features=features, fit=fit, predict=checked)
