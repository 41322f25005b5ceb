"""One run at a time on a folder of results: a lock that the system takes back when the run ends, however it ends.

Snakemake's own lock is a file that a killed run leaves behind; so the default profile goes without it (`nolock`).
"""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import IO

from mer.core.atomic import storage_error
from mer.core.errors import StorageError

FILE = ".running"
# Tells the jobs of a run where its lock is.
TOLD = "MER_RUN"
# Open for as long as the process lives: closing the file gives the folder back.
_HELD: list[IO[str]] = []


def hold(results: str | Path) -> None:
    """Keep a folder of results for this process; where its file system has no locks, say so on standard error.

    Raises:
        StorageError: another run has it, or it is not writable.
    """
    path = Path(results).resolve() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise storage_error(results, error) from error
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        who = file.read(200).strip() or "which has just begun"
        file.close()
        remedy = "wait until it has ended, or end it, and run the same command again"
        raise StorageError(results, f"another run is at work here ({who})", "one run at a time", remedy) from None
    except (ImportError, OSError) as error:
        print(f"mer: {results}: nothing keeps a second run away ({error})", file=sys.stderr)
    _HELD.append(file)
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        file.flush()
    except OSError as error:
        raise storage_error(results, error) from error
    os.environ[TOLD] = str(path)


def require_results() -> None:
    """Let a job begin only while the folder of its run is there.

    Raises:
        StorageError: it is not, as when a network folder has gone.
    """
    told = os.environ.get(TOLD)
    if told and not os.path.exists(told):
        remedy = "bring it back and run the same command again: finished files are kept"
        raise StorageError(Path(told).parent, "has vanished since the run began", "the folder of the run", remedy)
