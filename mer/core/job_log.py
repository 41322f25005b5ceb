"""The log of a workflow job, its border to the user: lines in a file, mistakes as one line, no traceback."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mer.core.atomic import storage_error
from mer.core.errors import MerError
from mer.core.process import short_lived


@contextmanager
def job_log(log: str | Path) -> Iterator[Callable[[str], None]]:
    """Yield a function that appends a time-stamped line to `log`.

    A `MerError` in the block, and what the operating system refuses, become one line in the log and on standard error,
    and exit status 1.
    """
    short_lived()
    lines = _Lines(Path(log))
    try:
        yield lines.say
    except MerError as error:
        lines.stop(error)
    except OSError as error:
        if error.errno is None:
            raise
        lines.stop(storage_error(error.filename or log, error))


class _Lines:
    """A log that a full disk cannot turn into a traceback: what cannot be written is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("", encoding="utf-8")

    def say(self, line: str) -> None:
        self._append(f"{time.strftime('%H:%M:%S')} {line}")

    def stop(self, error: MerError) -> None:
        line = f"mer: {error.line()}"
        self._append(line)
        sys.exit(line)

    def _append(self, line: str) -> None:
        with suppress(OSError), self.path.open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")
