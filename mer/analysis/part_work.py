"""What a process of its own does for a part of a video; it loads no more than that takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mer.analysis.footage import Footage
from mer.analysis.parts import Part, align_part, spot_part
from mer.analysis.region_parts import REGIONS, write_regions
from mer.core.one_thread import one_thread_each


@dataclass(frozen=True)
class Work:
    """One part's work, as a process of its own can do it."""

    footage: Footage
    part: Part
    folder: Path
    align: tuple[str, dict[str, Any]]
    features: dict[str, tuple[str, dict[str, Any]]]


@dataclass
class Clock:
    """CPU-seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.process_time)

    def lap(self, step: str = "") -> None:
        """Count the time since the last lap as that of `step`, or as nobody's."""
        now = time.process_time()
        if step:
            self.add({step: now - self._last})
        self._last = now

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count what another clock measured."""
        for step, value in seconds.items():
            self.seconds[step] = self.seconds.get(step, 0.0) + value


def work_on(work: Work, step: Callable[[], None] | None = None) -> dict[str, float]:
    """Align a part and compute its features; return the CPU-seconds of both."""
    one_thread_each()
    clock = Clock()
    align_part(work.footage, work.part, *work.align, work.folder, step or (lambda: None))
    clock.lap("align")
    for name, (method, keys) in work.features.items():
        write_features(work.part, name, method, keys, work.footage.fps, work.folder)
    clock.lap("spotting features")
    return clock.seconds


def write_features(part: Part, name: str, method: str, keys: dict[str, float], fps: float, folder: Path) -> None:
    """Write what a spotter looks at in an aligned part, unless it is there already."""
    if method == REGIONS:
        write_regions(part, fps, folder)
    else:
        spot_part(part, name, method, keys, folder)
