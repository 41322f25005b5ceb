"""Files and modules that a configuration names under `plugins`: each is imported, checked, and put in the registries.

A plug-in is a file of Python, or a module of an installed package, that holds one or more of the parts that
`mer.core.registry` lists: `MODEL`, `METHOD`, `READER`, `LAYOUT`, `VIEWS`. A model or method has the name of its file, a
reader that of its card, a layout those of its cameras. A file's folder joins the end of Python's path, so that it may
import what lies beside it, and so that what it defines can be sent to other processes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from mer.core.errors import ConfigError, MerError, ModelError
from mer.core.registry import PARTS, PLUGGED, Part, imported, last_line, offered, part_of

#: Entry as it was located -> module, in the order in which they were plugged in.
_MODULES: dict[str, str] = {}


def located(entries: Sequence[Any], folders: Iterable[Path]) -> list[Any]:
    """Return the entries of a configuration, those that are found in a folder as the absolute path of their file.

    Args:
        entries: the key `plugins`: files (`my_model.py`) and dotted names (`my_package.readers`).
        folders: where they are looked for, best first: those of the configuration's files, then the working directory.
    """
    places = [*folders, Path()]
    return [_found(entry, places) if isinstance(entry, str) else entry for entry in entries]


def _found(entry: str, places: Sequence[Path]) -> str:
    relative = Path(entry).expanduser() if entry.endswith(".py") else Path(*entry.split("."))
    names = [relative] if entry.endswith(".py") else [relative.with_suffix(".py"), relative / "__init__.py"]
    paths = (place / name for place in places for name in names)
    return next((str(path.resolve()) for path in paths if os.path.isfile(path)), entry)


def plug_in(entries: Sequence[str], where: str) -> None:
    """Import plug-ins and register what they hold, for this process; one that is known already is left as it is.

    Args:
        entries: files, and dotted names of what is installed or lies in the working directory.
        where: what a message names where there is no file.

    Raises:
        ConfigError: no such file or module, or it does not import, holds no part or one of another class, or has the
            name of something that ships or of another plug-in.
    """
    for entry in located(entries, ()):
        if entry in _MODULES:
            continue
        module = _module(entry, where)
        held = [part for part in PARTS.values() if hasattr(module, part.variable)]
        if not held:
            raise ConfigError(entry, "holds no part", f"one of {', '.join(PARTS)}", "see docs/plugins.md")
        named = [(part, name) for part in held for name in names_of(module, part, entry)]
        for part, name in named:
            _require_free(part, name, module.__name__, entry)
        for part, name in named:
            PLUGGED[part.group][name] = module.__name__
        _MODULES[entry] = module.__name__


def entries() -> tuple[str, ...]:
    """Return what has been plugged into this process, so that another can plug in the same."""
    return tuple(_MODULES)


def module_of(entry: str) -> str:
    """Return the dotted name of a plug-in of this process."""
    return _MODULES[located([entry], ())[0]]


def label(module: str) -> str:
    """Return what a plug-in's module is called elsewhere: the name of its file, or its dotted name."""
    return next((Path(entry).name for entry, name in _MODULES.items() if name == module and "/" in entry), module)


def parts(module: ModuleType, where: str) -> dict[str, Any]:
    """Return what a plug-in holds, by the name of its variable; raises as `plug_in`."""
    return {key: part_of(module, part, where) for key, part in PARTS.items() if hasattr(module, key)}


def views() -> dict[str, tuple[str, Any]]:
    """Return the label views of plug-ins and of installed packages: name -> file, and what `views` takes under it.

    Raises:
        ConfigError: an installed package offers what does not import, or is no mapping.
    """
    part, found = PARTS["VIEWS"], dict[str, tuple[str, Any]]()
    for module in dict.fromkeys([*offered(part.group).values(), *PLUGGED[part.group].values()]):
        held = part_of(imported(module, module), part, module)
        found |= {str(name): (label(module), block) for name, block in held.items()}
    return found


@contextmanager
def blaming(module: str, doing: str) -> Iterator[None]:
    """Turn what the code of a plug-in raises in the block, other than a `MerError`, into one line.

    Args:
        module: of the plug-in; '' for what ships, whose errors are left as they are.
        doing: what is being done, for the message.

    Raises:
        ModelError: names the file of the plug-in and the last of its lines that was run.
    """
    try:
        yield
    except MerError:
        raise
    except Exception as error:
        if not module:
            raise
        line = last_line(error, getattr(sys.modules.get(module), "__file__", ""))
        where = label(module) + (f" line {line}" if line else "")
        found = f"{doing} raises {type(error).__name__}: {error}"
        raise ModelError(where, found, remedy="see `mer check-plugin`") from error


def _module(entry: str, where: str) -> ModuleType:
    path = Path(entry)
    if not entry.endswith(".py"):
        if not all(part.isidentifier() for part in entry.split(".")) or not _exists(entry):
            expected = "a file that ends in .py, or the dotted name of an installed module"
            remedy = "paths are relative to the configuration's file or to the working directory"
            raise ConfigError(where, f"no plug-in {entry!r}", expected, remedy)
        return imported(entry, entry)
    if not os.path.isfile(path):
        remedy = "paths are relative to the configuration's file or to the working directory"
        raise ConfigError(where, f"no file {entry!r}", "a file of Python", remedy)
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        names, folder = [folder.name, *names], folder.parent
    if not all(name.isidentifier() for name in names):
        raise ConfigError(entry, "is no name of a module", "letters, digits and '_'", "rename the file")
    if str(folder) not in sys.path:
        # At the end: a file of the user's cannot stand in for a library.
        sys.path.append(str(folder))
    module = imported(".".join(name for name in names if name != "__init__"), entry)
    if Path(module.__file__ or "").resolve() != path.resolve():
        found = f"has the name of another module ({module.__file__ or 'of Python itself'})"
        raise ConfigError(entry, found, "a name of its own", "rename the file")
    return module


def _exists(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def names_of(module: ModuleType, part: Part, where: str) -> list[str]:
    """Return the names under which a part of a plug-in is registered; raises `ConfigError` as `plug_in`."""
    value, stem = part_of(module, part, where), module.__name__.rpartition(".")[2]
    if part.variable == "METHOD":
        return [f"{stage_of(value, where)}.{stem}"]
    if part.variable == "READER":
        return [str(value.name)]
    if part.variable in ("LAYOUT", "VIEWS"):
        return [str(name) for name in (value.cameras if part.variable == "LAYOUT" else value)]
    return [stem]


def stage_of(method: object, where: str) -> str:
    """Return the stage of a method: that whose `method.py` has its class."""
    for kind in type(method).__mro__:
        package = kind.__module__.split(".")
        if package[:2] == ["mer", "stages"] and package[3:] == ["method"]:
            return package[2]
    found = f"METHOD is a {type(method).__name__}, which is of no stage"
    raise ConfigError(where, found, "the class in mer/stages/<stage>/method.py, such as FlowMethod", "use that class")


def _require_free(part: Part, name: str, module: str, where: str) -> None:
    shipped: Mapping[str, str] = {}
    within, _, short = name.rpartition(".")
    if part.registry:
        package, _, variable = part.registry.partition(":")
        registry = getattr(import_module(package), variable)
        shipped = (registry[within] if within else registry).shipped
    if short in shipped:
        remedy = "rename the file" if part.variable in ("MODEL", "METHOD") else "give its card another name"
        raise ConfigError(where, f"{part.noun} {short!r} has the name of one that ships", "a name of its own", remedy)
    other = PLUGGED[part.group].get(name, module)
    if other != module:
        raise ConfigError(where, f"{part.noun} {short!r} is also in {label(other)}", "names of their own", "rename one")
