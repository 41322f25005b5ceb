"""What a training may not read: tables and products beside its own, which are of persons whom it has not been given.

A job's functions are handed the clips of its training persons and nothing else. The files of the held-out persons lie
in the same folders all the same, and a model of anybody's could open them by mistake. While a fold is trained, whatever
reads such a file through Python or h5py ends in one line. It guards against mistakes: code that means to can get around
it, as code that one runs always can.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import h5py

from mer.core.errors import ModelError
from mer.training.products import Containers

#: Of products and of tables.
SUFFIXES = (".h5", ".csv")


class _Closed:
    """What is closed at the moment in this process; folders and files as real paths."""

    folders: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()


def _real(paths: Iterable[Path | str]) -> frozenset[str]:
    return frozenset(os.path.realpath(path) for path in paths)


def folders_of(containers: Containers, tables: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders that hold the products and the tables of a training, where those of others are as well."""
    products = {Path(path).parent for boxes in containers.values() for path in boxes.values()}
    # The folder of all folds: the test table of one fold is a part of the train tables of the others.
    return tuple(sorted(products | {Path(table).parent.parent for table in tables}))


@contextmanager
def closed(folders: Iterable[Path], own: Iterable[str | Path]) -> Iterator[None]:
    """Refuse, in the block, to read a product or a table in or below `folders` that is none of `own`.

    Raises:
        ModelError: it is read; out of the function that opened it.
    """
    _watch()
    before = _Closed.folders, _Closed.own
    _Closed.folders, _Closed.own = _real(folders), _real(own)
    try:
        yield
    finally:
        _Closed.folders, _Closed.own = before


def _refuse(path: object) -> None:
    if not _Closed.folders or not isinstance(path, str | bytes | os.PathLike):
        return
    name = os.fsdecode(path)
    if not name.endswith(SUFFIXES):
        return
    real = os.path.realpath(name)
    if real in _Closed.own or not any(real.startswith(f"{folder}{os.sep}") for folder in _Closed.folders):
        return
    expected = "the clips and the table that it was given"
    raise ModelError(name, "a training reads a file of persons whom it must not know", expected, "mend the model")


def _audit(event: str, given: tuple[Any, ...]) -> None:
    if event != "open":
        return
    path, mode, flags = given
    reads = mode.startswith("r") if isinstance(mode, str) else (flags & (os.O_WRONLY | os.O_RDWR)) == 0
    if reads:
        _refuse(path)


@cache
def _watch() -> None:
    """Look at every opening of a file from now on; Python cannot take an audit hook back."""
    sys.addaudithook(_audit)
    # HDF5 opens its files itself, out of sight of the hook.
    opening: Callable[..., None] = h5py.File.__init__

    def watched(self: h5py.File, name: Any, *given: Any, **named: Any) -> None:
        _refuse(name)
        opening(self, name, *given, **named)

    h5py.File.__init__ = watched
