"""Where recordings are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Medium:
    """Where a recording is: the dataset's folder, the path below it, its kind (`frames` or `video`) and frame rate."""

    root: Path
    path: str
    kind: str
    fps: float | None
