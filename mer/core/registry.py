"""Registries of lazy `"package.module"` strings: what ships, what a configuration plugs in, what packages offer.

A registry holds names only, so that importing it imports no method, and the code digest of one method
does not change when another is edited (docs/architecture.md, What runs again). `mer.core.plugins` adds the files that a
configuration names; installed packages offer modules as entry points, which are looked up when a name is not among the
others, or all are listed (docs/plugins.md).
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from mer.core.errors import ConfigError, MerError


@dataclass(frozen=True)
class Part:
    """A kind of thing that a module can hold for a registry.

    Attributes:
        variable: its name in the module.
        group: of the entry points by which installed packages offer it.
        contract: the class that it is of, as `package.module:Class`.
        registry: of those that ship, as `package.module:VARIABLE`; '' where names are all that there is.
    """

    variable: str
    group: str
    contract: str
    registry: str = ""

    @property
    def noun(self) -> str:
        """What it is called in messages: `model`."""
        return self.variable.lower()


PARTS: dict[str, Part] = {
    part.variable: part
    for part in (
        Part("MODEL", "mer.models", "mer.models.contract:Model", "mer.models.registry:MODELS"),
        Part("METHOD", "mer.methods", "mer.stages.contract:Method", "mer.stages.registry:METHODS"),
        Part("READER", "mer.readers", "mer.datasets.contract:Reader", "mer.datasets.registry:READERS"),
        Part("LAYOUT", "mer.layouts", "mer.simulate.contract:Layout", "mer.simulate.names:LAYOUTS"),
        Part("VIEWS", "mer.views", "collections.abc:Mapping"),
    )
}
#: Group -> name -> module: what the configurations of this process have plugged in.
PLUGGED: dict[str, dict[str, str]] = {part.group: {} for part in PARTS.values()}


class Registry(Mapping[str, str]):
    """Names -> modules that hold a part of one kind.

    Args:
        variable: of `PARTS`.
        shipped: what comes with `mer`.
        within: of methods, their stage: others are known as `<stage>.<name>` outside.
    """

    def __init__(self, variable: str, shipped: Mapping[str, str], within: str = "") -> None:
        self.part, self.shipped, self.within = PARTS[variable], dict(shipped), within

    def __getitem__(self, name: str) -> str:
        if name in self.shipped:
            return self.shipped[name]
        return self._named(PLUGGED[self.part.group]).get(name) or self._installed()[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.shipped, **self._installed(), **self._named(PLUGGED[self.part.group])})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def plugged(self, name: str) -> str:
        """Return the module of a name that does not ship, '' for one that does, or that is none."""
        return self[name] if name in self and name not in self.shipped else ""

    def load(self, name: str, where: str) -> Any:
        """Import what is registered under `name` and return it; raises as `lookup`, and `part_of` for a plug-in."""
        module = lookup(self, name, where)
        if name in self.shipped:
            return getattr(import_module(module), self.part.variable)
        return part_of(imported(module, f"{self.part.noun} {name}"), self.part, f"{self.part.noun} {name}")

    def _installed(self) -> dict[str, str]:
        found = self._named(offered(self.part.group))
        for name in sorted(set(found) & set(self.shipped)):
            where = f"entry point {self.part.group}: {name} = {found[name]}"
            remedy = "rename it in its package, or uninstall that"
            raise ConfigError(where, f"has the name of a {self.part.noun} that ships", "a name of its own", remedy)
        return found

    def _named(self, every: Mapping[str, str]) -> dict[str, str]:
        start = f"{self.within}." if self.within else ""
        return {key.removeprefix(start): module for key, module in every.items() if key.startswith(start)}


@cache
def offered(group: str) -> dict[str, str]:
    """Return name -> module of the entry points of installed packages in a group of `PARTS`."""
    return {point.name: point.module for point in entry_points(group=group)}


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


def imported(module: str, where: str) -> ModuleType:
    """Import a module that is not ours.

    Args:
        module: its dotted name.
        where: what a message names: its file, or what asks for it.

    Raises:
        ConfigError: it does not import; the message says at which line.
    """
    try:
        return import_module(module)
    except MerError:
        raise
    except (Exception, SystemExit) as error:  # Whatever somebody else's file may raise.
        line = getattr(error, "lineno", None) or last_line(error, where)
        found = f"does not import: {type(error).__name__}: {error}" + (f" (line {line})" if line else "")
        raise ConfigError(where, found, "a module of Python", "run it with python to see more") from error


def last_line(error: BaseException, file: str | None) -> int | None:
    """Return the number of the last line of a file that an error passed through, None where it passed through none."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == file), None)


def part_of(module: ModuleType, part: Part, where: str) -> Any:
    """Return a part that a module of somebody else's holds.

    Raises:
        ConfigError: it holds none, or something else under that name.
    """
    package, _, name = part.contract.partition(":")
    if not hasattr(module, part.variable):
        raise ConfigError(
            where, f"{module.__name__} holds no {part.variable}", f"a {part.contract}", "see its contract"
        )
    value = getattr(module, part.variable)
    if not isinstance(value, getattr(import_module(package), name)):
        found = f"{part.variable} is of class {type(value).__name__}"
        raise ConfigError(where, found, f"a {name} ({package})", "see docs/plugins.md")
    return value


def load(registry: Mapping[str, str], name: str, where: str) -> ModuleType:
    """Import and return the module registered under `name`; raises as `lookup`."""
    return import_module(lookup(registry, name, where))
