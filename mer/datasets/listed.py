"""Every folder of a database is listed once, several at a time, however often its reader and the checks ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

#: Names of the sub-folders and of the files in a folder.
Names = tuple[list[str], list[str]]

_ACTIVE: ContextVar[Listed | None] = ContextVar("listed", default=None)


class Listed:
    """What was listed so far.

    Args:
        told: called with the number of folders listed, by any thread, one at a time.
    """

    def __init__(self, told: Callable[[int], None] | None = None) -> None:
        self._told, self._lock = told, threading.Lock()
        self._names: dict[Path, Names] = {}

    def get(self, folder: Path, read: Callable[[], Names]) -> Names:
        """Return the names in a folder, from `read` when it is asked for the first time; nobody may change them."""
        if folder not in self._names:
            self._names[folder] = read()
            if self._told:
                with self._lock:
                    self._told(len(self._names))
        return self._names[folder]


def active() -> Listed | None:
    """Return what `listed_once` keeps here, None outside of it."""
    return _ACTIVE.get()


@contextmanager
def listed_once(told: Callable[[int], None] | None = None) -> Iterator[None]:
    """Keep what is listed until the outermost of these blocks ends: the folders must not change meanwhile."""
    if _ACTIVE.get() is not None:
        yield
        return
    token = _ACTIVE.set(Listed(told))
    try:
        yield
    finally:
        _ACTIVE.reset(token)
