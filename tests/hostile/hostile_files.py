"""Files as an attacker would make them: by reader, functions that write one and return its path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

FILES: dict[str, Sequence[Callable[[Path], Path]]] = {}
