"""A function of many arguments, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import length_hint
from typing import Any

from mer.core.one_thread import one_thread_each
from mer.core.process import processes
from mer.core.progress import each

#: As `map` of one iterable: yields in its order what a function returns.
Each = Callable[..., Any]


@contextmanager
def in_processes(jobs: int) -> Iterator[Each]:
    """Yield `map`, or with several jobs one that works in as many processes of one thread each."""

    def drawn(mapped: Callable[..., Any]) -> Each:
        return lambda function, *of: each(mapped(function, *of), "parts", length_hint(of[0]) or None)

    if jobs < 2:
        yield drawn(map)
        return
    with processes(jobs, one_thread_each) as pool:
        yield drawn(pool.map)
