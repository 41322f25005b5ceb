"""The log of a workflow job, its border to the user: lines in a file, mistakes as one line, no traceback."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mer.core.atomic import refusal, set_aside
from mer.core.errors import MerError, StorageError
from mer.core.only_run import require_going, stop_run
from mer.core.process import short_lived

#: Set by `mer run`, which itself says what the log of a failed job ends with: the folder of its results.
SPOKEN_FOR = "MER_RUN"


@contextmanager
def job_log(log: str | Path) -> Iterator[Callable[[str], None]]:
    """Yield a function that appends a time-stamped line to `log`.

    A `MerError` in the block, and what the operating system refuses, becomes one line in the log and on standard error,
    and exit status 1. A file of the results that it says is damaged is set aside, so that the next run makes it anew;
    where the disk refuses, the run begins no other job. Of any other exception the log has the traceback.
    """
    short_lived()
    lines = _Lines(Path(log))
    try:
        require_going()
        yield lines.say
    except MerError as error:
        lines.stop(set_aside(error) if error.damaged and _of_results(error.where, Path(log)) else error)
    except OSError as error:
        lines.stop(refusal(log, error))
    except Exception as error:
        lines.append(traceback.format_exc().rstrip())
        found = f"{type(error).__name__}: {error}"
        lines.stop(MerError(log, found, remedy="a mistake in mer or in a plug-in: its traceback stands there"))


def _of_results(path: str, log: Path) -> bool:
    """Return whether a file lies in the results whose `logs` hold a log: what a user brought is left where it is."""
    results = next((folder.parent for folder in log.resolve().parents if folder.name == "logs"), None)
    return results is not None and Path(path).resolve().is_relative_to(results)


class _Lines:
    """A log that a full disk cannot turn into a traceback: what cannot be written is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("", encoding="utf-8")

    def say(self, line: str) -> None:
        self.append(f"{time.strftime('%H:%M:%S')} {line}")

    def stop(self, error: MerError) -> None:
        line = f"mer: {error.line()}"
        written = self.append(line)
        if isinstance(error, StorageError):
            stop_run()
        sys.exit(1 if written and SPOKEN_FOR in os.environ else line)

    def append(self, line: str) -> bool:
        with suppress(OSError), self.path.open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")
            return True
        return False
