"""One measurement: a function in a process of its own, its CPU-seconds, peak memory and result."""

from __future__ import annotations

import multiprocessing
import re
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mer.bench.table import BenchRow, column

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Row(BenchRow):
    """One line of a bench: `error` in `unit`; `speed_ratio` to OpenCV TV-L1 at its defaults in the same run.

    `speed_ratio` is how many times faster one unit of work is than one TV-L1 pair at 224 × 224; `cpu_seconds` is per
    unit of work (a pair, a frame or a clip, as `case` says); `peak_mib` is the peak
    memory of a process that did only this.
    """

    stage: str = column("stage")
    method: str = column("method")
    case: str = column("case")
    error: float = column("error", "{:.3f}")
    unit: str = column("unit")
    speed_ratio: float = column("speed", "{:.2f}×")
    cpu_seconds: float = column("CPU s", "{:.4f}")
    peak_mib: float = column("peak MiB", "{:.0f}")


@dataclass(frozen=True)
class Measured:
    """What a task gave: its errors by unit, CPU-seconds per unit of work, and peak memory in MiB."""

    errors: Mapping[str, tuple[float, str]]
    cpu_seconds: float
    peak_mib: float


class Clock:
    """Adds up CPU time of the work itself, leaving out what prepares and judges it.

    Unless `warm` says that it is, the first call is made twice and timed the second time: importing a library is not
    the method's work.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.units = 0
        self.warm = False

    def time(self, function: Callable[..., Any], *arguments: Any, units: int = 1) -> Any:
        """Call `function` and add its CPU time; it counts as `units` of work."""
        if not self.warm:
            function(*arguments)
            self.warm = True
        started = time.process_time()
        result = function(*arguments)
        self.seconds += time.process_time() - started
        self.units += units
        return result


def run_cases(task: str, cases: Sequence[Mapping[str, Any]], **arguments: Any) -> list[Measured]:
    """Run `package.module:function` once per case in one fresh process; see `run_alone`.

    Args:
        task: the function.
        cases: further arguments of each case.
        arguments: those that all cases have.

    Returns:
        what each case measured; the peak memory is that of the process, the same in all.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_children, (task, cases, arguments))


def run_alone(task: str, **arguments: Any) -> Measured:
    """Run `package.module:function` in a fresh process and return what it measured.

    The function gets a `Clock` and `arguments`, and returns `{case: (error, unit)}`.
    """
    return run_cases(task, [{}], **arguments)[0]


def _children(task: str, cases: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]) -> list[Measured]:
    import cv2

    cv2.setNumThreads(1)
    module, name = task.split(":")
    function, made = getattr(import_module(module), name), []
    for case in cases:
        clock = Clock()
        errors = function(clock, **arguments, **case)
        made.append((errors, clock.seconds / max(1, clock.units)))
    return [Measured(errors, seconds, _peak_mib()) for errors, seconds in made]


def process_mib(what: str) -> float:
    """Return what this process holds now (`VmRSS`) or held at most (`VmHWM`), MiB; on Linux alone."""
    told = re.search(rf"{what}:\s*(\d+) kB", STATUS.read_text(encoding="ascii"))
    assert told is not None
    return int(told[1]) / 1024


def _peak_mib() -> float:
    """Return the peak memory of this process; on Linux from /proc, where it does not inherit its parent's."""
    if STATUS.exists():
        return process_mib("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024**2)
