"""One run at a time on a folder of results, for as long as something can be written there.

The lock is one that the system takes back when the run ends, however it ends. Snakemake's own is a file that a killed
run leaves behind; so the default profile goes without it (`nolock`). A job that finds that nothing can be written takes
the mark of a going run away, which even a full disk allows: then no other job begins.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import IO

from mer.core.atomic import storage_error
from mer.core.errors import StorageError

LOCK, GOING = ".lock", ".going"
# Tells the jobs of a run where its results are.
TOLD = "MER_RESULTS"
_AGAIN = "run the same command again: finished files are kept"
# Open for as long as the process lives: closing the file gives the folder back.
_HELD: list[IO[str]] = []


def hold(results: str | Path) -> None:
    """Keep a folder of results for this process; where its file system has no locks, say so on standard error.

    Raises:
        StorageError: another run has it, or it is not writable.
    """
    folder = Path(results).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+", encoding="utf-8")
        _lock(file, results)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        file.flush()
        (folder / GOING).touch()
    except OSError as error:
        raise storage_error(results, error) from error
    _HELD.append(file)
    os.environ[TOLD] = str(folder)


def _lock(file: IO[str], results: str | Path) -> None:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        who = file.read(200).strip() or "which has just begun"
        remedy = "wait until it has ended, or end it, and run the same command again"
        raise StorageError(results, f"another run is at work here ({who})", "one run at a time", remedy) from None
    except (ImportError, OSError) as error:
        print(f"mer: {results}: nothing keeps a second run away ({error})", file=sys.stderr)


def at_work(results: Path) -> bool:
    """Return whether a run, of this machine or by a file system that tells, holds a folder of results now."""
    try:
        import fcntl

        with (results / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False


def watch(stop: Callable[[], object], every: float = 1.0) -> None:
    """Call `stop` once, in a thread, when the mark of the run that this process holds is gone.

    Args:
        stop: lets the run begin no other job.
        every: seconds between looks.
    """

    def look() -> None:
        while os.path.exists(mark):
            time.sleep(every)
        print(f"mer: {os.path.dirname(mark)}: nothing can be written; no other job is begun", file=sys.stderr)
        stop()

    mark = os.path.join(os.environ[TOLD], GOING)
    Thread(target=look, daemon=True).start()


def require_going() -> None:
    """Let a job begin only while the folder of its run is there and can be written, so that none computes in vain.

    Raises:
        StorageError: it is not, as when a network folder has gone or a disk is full.
    """
    if TOLD not in os.environ:
        return
    folder = Path(os.environ[TOLD])
    if not (folder / LOCK).exists():
        remedy = f"bring it back and {_AGAIN}"
        raise StorageError(folder, "has vanished since the run began", "the folder of the run", remedy)
    if not os.access(folder, os.W_OK):
        raise storage_error(folder, OSError(errno.EROFS, ""))
    if not (folder / GOING).exists():
        found = "a job of this run could not write, so no other begins"
        raise StorageError(folder, found, "a writable disk with free space", f"see that job's line, then {_AGAIN}")


def stop_run() -> None:
    """Take the mark of the run away that a job is of."""
    if TOLD in os.environ:
        try:
            os.unlink(os.path.join(os.environ[TOLD], GOING))
        except OSError:
            return
