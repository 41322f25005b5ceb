"""Registries of lazy `"package.module"` strings.

A registry holds names only, so that importing it imports no method, and the code digest of one method
does not change when another is edited (docs/architecture.md, What runs again).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType

from mer.core.errors import ConfigError


def nearest(name: object, valid: Iterable[str]) -> str:
    """Return a remedy that names the closest valid spelling, or all of them."""
    valid = sorted(valid)
    close = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"valid names: {', '.join(valid) or 'none'}"


def lookup(registry: Mapping[str, str], name: str, where: str) -> str:
    """Return the module path registered under `name`.

    Raises:
        ConfigError: `name` is not registered; the message names the nearest valid one.
    """
    if name not in registry:
        raise ConfigError(where, f"unknown name {name!r}", "a registered name", nearest(name, registry))
    return registry[name]


def load(registry: Mapping[str, str], name: str, where: str) -> ModuleType:
    """Import and return the module registered under `name`; raises as `lookup`."""
    return import_module(lookup(registry, name, where))
