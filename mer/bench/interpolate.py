"""Interpolation against held-out frames: simulated clips with clean truth, and any filmed video.

Frames are left out at regular distances and made again from the others; the score is the PSNR of what was made, in dB,
apart for motion of less and of more than a pixel between the two frames given. That motion is the 99th percentile of
the length of DIS flow between them, without noise. `tim` sees all frames given, the others the two neighbours.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mer.bench.measure import Clock
from mer.bench.table import BenchRow, column
from mer.bench.tasks import Errors, decibels, noisy, opened, squared_error
from mer.core.errors import MediaError
from mer.core.progress import each
from mer.stages.registry import METHODS, load_method

STRIDES = (1, 2, 4, 8)
UNIT = "dB PSNR"
CASES = ("steps under 1 px", "steps over 1 px")
#: Mean squared error, grey levels squared, below which a frame counts as exact: 68 dB.
EXACT = 0.01
#: Frames of a window of real video; every second one is given, and the two innermost others are made.
WINDOW = 9
HELD_OUT = (3, 5)


def psnr(made: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two uint8 images in dB; at most that of an error of `EXACT`."""
    return decibels(squared_error(made, truth), EXACT)


def step(first: np.ndarray, second: np.ndarray) -> float:
    """Return how far the fastest hundredth of the pixels moves between two frames (H, W, 3) uint8, in pixels."""
    from mer.motion.dis import DISOptions, flow
    from mer.motion.grey import grey

    field = flow(grey(first), grey(second), DISOptions(preset="medium"))
    return float(np.percentile(np.hypot(field[0], field[1]), 99))


def split(steps: Sequence[float], values: Sequence[float]) -> dict[str, tuple[float, int]]:
    """Return the mean and the number of the values per case; a case without any is left out."""
    over = np.asarray(steps) >= 1
    groups = zip(CASES, (np.asarray(values)[~over], np.asarray(values)[over]), strict=True)
    return {case: (float(chosen.mean()), len(chosen)) for case, chosen in groups if len(chosen)}


def interpolate(clock: Clock, files: Sequence[Path], method: str, options: dict[str, Any], sigma: float) -> Errors:
    """Mid-frame PSNR on prepared clips (`rise` of `mer.bench.clips.prepare`), at several strides of the clip.

    Args:
        clock: adds up the method's time; a unit is a frame made.
        files: prepared clips.
        method: a registered method.
        options: keys of its parameters.
        sigma: noise of the frames given, grey levels; the truth has none.

    Returns:
        per case of `CASES` that occurs, the PSNR.
    """
    chosen = load_method("interpolate", method, "bench")
    params = chosen.Params(**options)
    steps, values = [], []
    for k, clip in opened(files):
        for stride in STRIDES:
            clean, truth = clip["rise"][:: 2 * stride], clip["rise"][stride :: 2 * stride]
            count = min(len(clean) - 1, len(truth))
            if count < 1:
                continue
            given = np.stack([noisy(frame, sigma, k, stride, i) for i, frame in enumerate(clean[: count + 1])])
            made = clock.time(chosen.resample, given, np.arange(count) + 0.5, params, units=count)
            steps += [step(*pair) for pair in pairwise(clean[: count + 1])]
            values += [psnr(*pair) for pair in zip(made, truth[:count], strict=True)]
    return {case: (value, UNIT) for case, (value, _) in split(steps, values).items()}


@dataclass(frozen=True)
class RealRow(BenchRow):
    """One method on one case of a real video: mean PSNR of `frames` held-out frames, and CPU-seconds per frame."""

    method: str = column("method")
    case: str = column("case")
    psnr: float = column("PSNR dB", "{:.2f}")
    frames: int = column("frames")
    cpu_seconds: float = column("CPU s per frame", "{:.3f}")


def real(path: str | Path, windows: int = 20, stride: int = 1, log: Callable[[str], None] = print) -> list[RealRow]:
    """Hold out every second frame of a video and let every registered method make it.

    The frames held out are as filmed, with their noise and compression, which bounds what any method can reach.

    Args:
        path: a video file; one window of it is held at a time.
        windows: number of places of the video, evenly spread; each gives two frames.
        stride: use every n-th frame only, for larger motion.
        log: receives one line per method.

    Raises:
        MediaError: the video cannot be read, or is shorter than one window.
    """
    methods = {name: load_method("interpolate", name, "bench") for name in METHODS["interpolate"]}
    steps: list[float] = []
    values: dict[str, list[float]] = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    positions = np.array([frame / 2 for frame in HELD_OUT])
    for window in each(_windows(path, windows, stride), "places", windows):
        steps += [step(window[frame - 1], window[frame + 1]) for frame in HELD_OUT]
        for name, method in methods.items():
            started = time.process_time()
            made = method.resample(window[::2], positions, method.Params())
            seconds[name] += time.process_time() - started
            values[name] += [psnr(picture, window[frame]) for picture, frame in zip(made, HELD_OUT, strict=True)]
        log(f"{len(steps)} frames of {Path(path).name}")
    return [
        RealRow(name, case, value, count, seconds[name] / len(steps))
        for name in methods
        for case, (value, count) in split(steps, values[name]).items()
    ]


def _windows(path: str | Path, count: int, stride: int) -> Iterator[np.ndarray]:
    """Yield evenly spread windows (`WINDOW`, H, W, 3) uint8 of every `stride`-th frame, decoding the video twice."""
    from mer.core.video import iterate

    total = sum(1 for _ in iterate(path))
    reach = (WINDOW - 1) * stride + 1
    if total < reach:
        raise MediaError(path, f"{total} frames", f"at least {reach}", "give a longer video or a smaller stride")
    # Windows must not overlap by much, and one frame must not count many times.
    count = max(1, min(count, total // reach))
    starts = set(np.linspace(0, total - reach, count).astype(int).tolist())
    held: deque[np.ndarray] = deque(maxlen=reach)
    for number, (_, _, frame) in enumerate(iterate(path)):
        held.append(frame)
        if number - reach + 1 in starts and len(held) == reach:
            yield np.stack([held[k] for k in range(0, reach, stride)])
