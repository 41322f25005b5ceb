"""How far a command is, and how long it will take: a bar on a terminal's standard error, nothing elsewhere.

One bar at a time: what is drawn within another's block stays with the outer one. Lines that are printed meanwhile stand
above it.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TextIO, TypeVar

T = TypeVar("T")
Update = Callable[[int, "int | None"], None]

_quiet = False


@contextmanager
def silent() -> Iterator[None]:
    """Draw no bar within the block, as where a program reads what is printed."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


@contextmanager
def bar(label: str, stream: TextIO | None = None) -> Iterator[Update]:
    """Yield `(done, total) -> None`, which draws a bar with the time left, reckoned from all that is done.

    Args:
        label: what is being done, in few words.
        stream: standard error by default; nothing is drawn where it is no terminal.
    """
    stream = stream or sys.stderr
    if _quiet or not stream.isatty():
        yield lambda done, total: None
        return
    # A command that draws nothing has no use for it, and a job that computes has a fifth of a second less to wait.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Seldom drawn: a bench may measure this very process.
    drawing = Progress(
        *columns, console=Console(file=stream), transient=True, refresh_per_second=2,
        speed_estimate_period=float("inf"),
        # What is printed to a file stays there.
        redirect_stdout=sys.stdout.isatty(),
    )  # fmt: skip
    with silent(), drawing as drawn:
        # An error that ends the process may do so before the block is left, and the cursor is hidden meanwhile.
        atexit.register(drawn.stop)
        task = drawn.add_task(label, total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)


def each(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield items one by one, and draw how many have been dealt with.

    Args:
        items: of a loop; their number is the total where they have one.
        label: what is being done with them.
        total: their number, of items that do not know it.
    """
    count = len(items) if isinstance(items, Sized) else total
    with bar(label) as update:
        update(0, count)
        for done, item in enumerate(items, 1):
            yield item
            update(done, count)
