"""Plots of `mer bench stages --plots`: error against motion, against noise and against time, of every flow method."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mer.bench.measure import Row
from mer.core.picture_page import write_picture_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOTION = re.compile(r"moving ([\d.]+)-([\d.]+) px, noise 0\b")
_NOISE = re.compile(r"moving, noise ([\d.]+), \d+ pairs")
_TIMED = "moving, noise 2"
_MARKERS = "osD^vP*X<>hdp8"
Lines = Mapping[str, Sequence[tuple[float, float]]]


def motion_lines(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """Return (middle of the motion, error) in pixels by method, without noise."""
    return _lines(rows, _MOTION, lambda match: (float(match[1]) + float(match[2])) / 2)


def noise_lines(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """Return (noise in grey levels, error in pixels where the face moves) by method."""
    return _lines(rows, _NOISE, lambda match: float(match[1]))


def timed_points(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """Return (CPU milliseconds per pair, error in pixels at noise 2) by method."""
    return {row.method: [(1e3 * row.cpu_seconds, row.error)] for row in _flow(rows) if row.case.startswith(_TIMED)}


def _flow(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.stage == "flow" and row.unit == "px EPE"]


def _lines(rows: Sequence[Row], pattern: re.Pattern[str], place: Any) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in _flow(rows):
        match = pattern.match(row.case)
        if match:
            lines.setdefault(row.method, []).append((place(match), row.error))
    # A method that was measured in one case only makes no line.
    return {method: sorted(points) for method, points in lines.items() if len(points) > 1}


class Plot(NamedTuple):
    """Lines of rows, the words under them, the names of the axes, and which of those are logarithmic."""

    lines: Callable[[Sequence[Row]], Lines]
    caption: str
    x: str
    y: str = "mean end-point error, px"
    logarithmic: str = ""


PLOTS = {
    "motion": Plot(
        motion_lines,
        "Error against the length of the true motion, clean images.",
        "true motion, px (no noise)",
        logarithmic="y",
    ),
    "noise": Plot(noise_lines, "Error where the face moves, against the noise of both images.", "noise, grey levels"),
    "time": Plot(
        timed_points,
        "Error where the face moves against CPU time; down and left is better.",
        "CPU ms per 224 × 224 pair",
        "mean end-point error, px (noise 2)",
        "x",
    ),
}


def write_plots(rows: Sequence[Row], folder: Path) -> Path:
    """Write three PNG files and one HTML page that holds them, and return the page.

    Args:
        rows: of `mer.bench.stages.run_bench`.
        folder: made when it is not there.

    Raises:
        StorageError: the folder is not writable.
    """
    return write_picture_page(folder, "mer bench stages: flow", "Flow against the simulator's truth", draw_plots(rows))


def draw_plots(rows: Sequence[Row]) -> list[tuple[str, bytes, str]]:
    """Return name, PNG and caption of every plot."""
    styles = _styles([row.method for row in _flow(rows)])
    return [(name, _draw(plot, plot.lines(rows), styles), plot.caption) for name, plot in PLOTS.items()]


def _styles(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return colour and marker by method, the same in every plot."""
    import matplotlib

    colours = matplotlib.colormaps["tab20"].colors  # type: ignore[attr-defined]
    return {
        method: {"color": colours[(2 * k + k // 10) % 20], "marker": _MARKERS[k % len(_MARKERS)]}
        for k, method in enumerate(dict.fromkeys(methods))
    }


def _draw(plot: Plot, lines: Lines, styles: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a plot of one line per method as PNG; lines are told apart by colour and marker."""
    from matplotlib.ticker import ScalarFormatter

    def draw(axes: Axes) -> None:
        for method, points in lines.items():
            axes.plot(*zip(*points, strict=True), label=method, linewidth=1.4, markersize=6, **styles[method])
        axes.set(xlabel=plot.x, ylabel=plot.y)
        for name in plot.logarithmic:
            axes.set(**{f"{name}scale": "log"})
            getattr(axes, f"{name}axis").set_major_formatter(ScalarFormatter())
        if plot.logarithmic != "y":
            axes.set_ylim(bottom=0)

    return png(draw)


def png(draw: Callable[[Axes], None]) -> bytes:
    """Return what a function draws into axes as PNG, with a grid, and a legend where there is something to tell."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.8), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.grid(alpha=0.3, which="both")
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    buffer = BytesIO()
    figure.savefig(buffer, metadata={"Software": None})
    return buffer.getvalue()
