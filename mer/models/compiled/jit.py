"""How the loops of this package are compiled, and where the result is kept.

Sums may be taken in another order than written, in which a loop becomes vectors; NaN and infinity stay themselves.
There is one thread, so a result does not depend on what else is computed. All arrays are float32 and contiguous
unless said otherwise.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numba import config, njit

_OPTIONS: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "boundscheck": False}
_numba: Any = config


def _folder() -> Path:
    """Return a folder named after what these files hold: who calls a changed function must be compiled again too."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    name = "compiled-" + hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    return Path(_numba.CACHE_DIR or Path(__file__).parent / "__pycache__") / name


_KEPT = _folder()


def compiled(function: Any) -> Any:
    """Compile a function when it is first called, and keep the result for other processes where there is room."""
    made = njit(**_OPTIONS)(function)
    before = _numba.CACHE_DIR
    _numba.CACHE_DIR = str(_KEPT)
    try:
        # Without a folder that can be written to, it is compiled again in every process.
        with suppress(RuntimeError):
            made.enable_caching()
    finally:
        _numba.CACHE_DIR = before
    return made


def part(function: Any) -> Any:
    """Make a function that is compiled as a part of those that call it.

    Not by itself: a process that has just compiled it would then run other instructions, and round otherwise, than one
    that has found its caller ready.
    """
    return njit(inline="always", **_OPTIONS)(function)


def written(text: str) -> Any:
    """Make a part of the text of a function `loop`; `mer.models.compiled.unrolled` says why there is a text."""
    names = {"zero": np.float32(0), "lowest": np.float32(-np.inf), **{f"number{k}": np.int32(k) for k in range(9)}}
    exec(text, names)
    # Whole, not line by line, into what calls it: that takes half the time to compile.
    return njit(forceinline=True, **_OPTIONS)(names["loop"])
