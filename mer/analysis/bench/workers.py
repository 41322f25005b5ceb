"""One piece of work after another, or several at a time, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mer.core.errors import MerError
from mer.core.one_thread import one_thread_each
from mer.core.process import processes

#: Calls a function with each of several arguments, and yields in their order what it returns or why it could not.
Each = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterator[Any]]


@contextmanager
def workers(jobs: int) -> Iterator[Each]:
    """Yield an `Each` that works in this process, or in `jobs` others where there are more than one."""
    if jobs == 1:
        yield lambda work, given: (tried(work, *one) for one in given)
        return
    with processes(jobs) as pool:

        def each(work: Callable[..., Any], given: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
            waiting = [pool.submit(tried, work, *one) for one in given]
            return (done.result() for done in waiting)

        yield each


def tried(work: Callable[..., Any], *given: Any) -> Any:
    """Return what a function makes of arguments, or the `MerError` that says why it could not."""
    one_thread_each()
    try:
        return work(*given)
    except MerError as error:
        return error
