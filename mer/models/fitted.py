"""What a scikit-learn estimator has learned, as arrays and JSON, and back: nothing is pickled.

Numbers, text, arrays, lists, mappings, estimators and their trees are kept. A checkpoint may come from anyone, so that
what is made again is of scikit-learn's own estimators, or of the classes of the one that the model's file builds.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.models.fitted_trees import is_tree, put_together, taken_apart
from mer.models.state import State

PLAIN = (bool, int, float, str, type(None))


def kept(estimator: Any) -> State:
    """Return all that an estimator knows.

    Raises:
        ModelError: it holds something else than numbers, text, arrays and estimators.
    """
    arrays: dict[str, np.ndarray] = {}
    return State(arrays, {"fitted": _put(estimator, "fitted", arrays)})


def restored(state: State, built: Any) -> Any:
    """Return the estimator that `kept` was given.

    Args:
        state: arrays and metadata.
        built: an unfitted one, whose classes it may be made of.

    Raises:
        ModelError: the state does not hold such an estimator.
    """
    known = {_name(type(part)): type(part) for part in _parts(built)}
    if "fitted" not in state.meta or not isinstance(state.meta["fitted"], dict):
        raise ModelError("checkpoint", "holds no estimator", _name(type(built)), "train again")
    try:
        made = _get(state.meta["fitted"], state, known)
    except (KeyError, TypeError, ValueError, ImportError) as error:
        found = f"holds an estimator that cannot be made again ({type(error).__name__}: {error})"
        raise ModelError("checkpoint", found, remedy="train again") from error
    if type(made) is not type(built):
        raise ModelError("checkpoint", f"holds a {type(made).__name__}", _name(type(built)), "train again")
    return made


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _parts(built: Any) -> list[Any]:
    return [built, *(part for part in built.get_params(deep=True).values() if hasattr(part, "get_params"))]


def _put(value: Any, path: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return a JSON description of a value, its arrays put into `arrays`."""
    if isinstance(value, PLAIN):
        return {"value": value}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"number": value.item(), "dtype": value.dtype.str}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays[path] = np.ascontiguousarray(value)
        return {"array": path, "shape": list(value.shape)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "UO":
        return {"texts": _put(value.tolist(), path, arrays), "dtype": value.dtype.str}
    if isinstance(value, list | tuple):
        items = [_put(one, f"{path}.{k}", arrays) for k, one in enumerate(value)]
        return {"list" if isinstance(value, list) else "tuple": items}
    if isinstance(value, Mapping):
        keyed = [
            [_put(key, f"{path}.k{k}", arrays), _put(value[key], f"{path}.{k}", arrays)] for k, key in enumerate(value)
        ]
        return {"pairs": keyed}
    if is_tree(value):
        return {"tree": _put(taken_apart(value), path, arrays)}
    if hasattr(value, "get_params") and hasattr(value, "__dict__"):
        named: dict[str, Any] = {}
        for name, one in sorted(vars(value).items()):
            try:
                named[name] = _put(one, f"{path}.{name}", arrays)
            except ModelError:
                # Of what was needed while it was trained; whether it is missed is seen when its scores are compared.
                if not name.startswith("_"):
                    raise
        return {"estimator": _name(type(value)), "state": named}
    found = f"{path.removeprefix('fitted.')} is a {type(value).__name__}"
    remedy = "take another estimator, or write `fit` and `predict` yourself (mer.models.contract)"
    raise ModelError("estimator", found, "numbers, text, arrays and estimators: nothing is pickled", remedy)


def _get(told: Mapping[str, Any], state: State, known: Mapping[str, type]) -> Any:
    if "value" in told:
        return told["value"]
    if "number" in told:
        return np.dtype(told["dtype"]).type(told["number"])
    if "array" in told:
        return state.array(told["array"], tuple(told["shape"]))
    if "texts" in told:
        return np.array(_get(told["texts"], state, known), dtype=told["dtype"])
    if "list" in told:
        return [_get(one, state, known) for one in told["list"]]
    if "tuple" in told:
        return tuple(_get(one, state, known) for one in told["tuple"])
    if "pairs" in told:
        return {_get(key, state, known): _get(one, state, known) for key, one in told["pairs"]}
    if "tree" in told:
        return put_together(_get(told["tree"], state, known))
    if "estimator" in told:
        kind: Any = _class(str(told["estimator"]), known)
        made = kind.__new__(kind)
        vars(made).update({name: _get(one, state, known) for name, one in told["state"].items()})
        return made
    raise ModelError("checkpoint", "holds an estimator of an unknown form", remedy="train again")


def _class(name: str, known: Mapping[str, type]) -> type:
    from sklearn.base import BaseEstimator

    if name in known:
        return known[name]
    module, _, attribute = name.partition(":")
    found = getattr(import_module(module), attribute, None) if module.startswith("sklearn.") else None
    if not (isinstance(found, type) and issubclass(found, BaseEstimator)):
        raise ModelError("checkpoint", f"holds a {name}", "an estimator of scikit-learn or of the model's file")
    return found
