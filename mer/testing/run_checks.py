"""Contract tests as one call: every check of a generator, silently, up to the first that is not kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


def at_once(checks: Callable[P, Iterator[str]]) -> Callable[P, None]:
    """Return a function of the same arguments and errors that makes all checks of a generator and says nothing."""

    @wraps(checks)
    def check(*given: P.args, **named: P.kwargs) -> None:
        deque(checks(*given, **named), maxlen=0)

    return check
