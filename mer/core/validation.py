"""One line for the first fault of a block: the path of its key, what stands there, and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mer.core.errors import ConfigError
from mer.core.registry import nearest

M = TypeVar("M", bound=BaseModel)
#: Characters of a value in a message; a longer one, a whole table, is left out.
LONGEST = 120


def validate(model: type[M], values: Mapping[str, Any], where: str, path: str) -> M:
    """Build a parameter object; turn the first fault into a `ConfigError` that names its key."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        key, *told = first_fault(model, error)
        raise ConfigError(f"{where}: {'.'.join(filter(None, (path, key)))}", *told) from None


def first_fault(model: type[BaseModel], error: ValidationError) -> tuple[str, str, str, str]:
    """Return the key of the first fault, what was found there, what was expected, and the remedy.

    What was expected is '' where a check of ours says both at once.
    """
    faults = error.errors()
    # A key that is missing may be the one that is misspelt.
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return key, "unknown key", "", nearest(fault["loc"][-1], _keys(model, fault["loc"]))
    if fault["type"] == "missing":
        return key, "missing", "this key", "add it"
    told = repr(fault["input"])
    found = "bad value" if isinstance(fault["input"], Mapping) or len(told) > LONGEST else f"bad value {told}"
    if fault["type"] == "value_error":
        return key, f"{found}: {fault['msg'].removeprefix('Value error, ')}", "", ""
    if fault["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return key, found, "a mapping, key: value", ""
    return key, found, fault["msg"][0].lower() + fault["msg"][1:], ""


def _keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Return the valid keys of the block in which an unknown key stood."""
    for part in location[:-1]:
        if part not in model.model_fields:
            continue
        for candidate in _models_in(model.model_fields[part].annotation):
            model = candidate
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_in(part)
