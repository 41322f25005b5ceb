"""The border between a workflow job and its user: log lines in a file, mistakes as one line, no traceback."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mer.core.atomic import DISK_ERRORS, storage_error
from mer.core.errors import MerError


@contextmanager
def job(log: str | Path) -> Iterator[Callable[[str], None]]:
    """Yield a function that appends a time-stamped line to `log`.

    A `MerError` in the block becomes one line in the log and on standard error, and exit status 1.
    """
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1) as handle:

        def say(line: str) -> None:
            handle.write(f"{time.strftime('%H:%M:%S')} {line}\n")

        try:
            yield say
        except MerError as error:
            _stop(handle.write, error)
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            _stop(handle.write, storage_error(error.filename or path, error))


def _stop(write: Callable[[str], object], error: MerError) -> None:
    line = f"mer: {error.line()}"
    with suppress(OSError):  # The disk that is full may hold the log too; standard error still gets the line.
        write(line + "\n")
    sys.exit(line)
