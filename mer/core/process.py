"""Processes that end with their parent, and what one that lives for seconds does about the garbage collector."""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import Any

# Importing PyTorch makes some million objects, none of them garbage. By default the collector looks through all of them
# again and again, and once more at the end: a third of the life of a job that predicts a few clips.
_THRESHOLDS = (50_000, 20, 20)


def short_lived() -> None:
    """Let the collector look for garbage less often from now on, and not at all when the process ends."""
    gc.set_threshold(*_THRESHOLDS)
    atexit.register(gc.freeze)


@contextmanager
def processes(count: int, begin: Callable[..., None] | None = None, *given: Any) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of new Python processes that are gone when the block is left, however it is left.

    An exception that leaves the block, Ctrl-C among them, ends what runs at once; killing the caller does, too. The
    caller's main module is imported in every process: a script keeps what it does under `if __name__ == "__main__"`.

    Args:
        count: of processes.
        begin: called with `given` in every process before its first task.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin, (begin, given))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown()


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of a terminal; the parent is the one to answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    short_lived()
    Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*given)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
