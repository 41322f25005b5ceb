"""Figures for a paper: drawn for print at the width of one or two columns, in colours that the colour-blind tell apart.

Text is 8 points at the printed size and stays text in PDF and SVG. Nothing is told by colour alone: values are written
beside colours, and flow, whose hue is its direction as everybody draws it, has arrows. Colours are of Okabe and Ito
and, for shares, matplotlib's `cividis`. The same inputs give the same bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from mer.core.atomic import atomic_path
from mer.core.errors import ConfigError
from mer.report.clip_pictures import ClipReader, clip_pictures
from mer.report.courses import Courses
from mer.report.details import Details
from mer.report.product_pictures import Panel, Picture
from mer.report.scores import Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
COLUMNS = {1: 3.5, 2: 7.16}  # inches, as IEEE prints them
FORMATS = ("pdf", "svg", "png")
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
STYLE: Any = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "axes.linewidth": 0.6, "lines.linewidth": 1.0, "axes.spines.top": False,
    "axes.spines.right": False, "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "mer",
    "figure.dpi": 100, "savefig.dpi": 300,
}  # fmt: skip
SIDE, NAME, LABEL, GAP = 0.83, 0.17, 0.3, 0.06  # inches: a picture's height, the line above, the room below and between
NARROW, LETTERS = 0.5, 19  # inches that a narrow picture's words take at least; letters of 6 points in an inch
TIMELESS: Any = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the format that its name ends in, atomically, and return the path.

    Raises:
        ConfigError: another ending.
        StorageError: the disk is full or not writable.
    """
    import matplotlib

    kind = path.suffix[1:]
    if kind not in FORMATS:
        raise ConfigError(path, f"ends in {path.suffix or 'nothing'}", ", ".join(f".{one}" for one in FORMATS))
    with matplotlib.rc_context(STYLE), atomic_path(path) as temporary:
        # Every drawing would move a constrained layout a little.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.savefig(temporary, format=kind, metadata=TIMELESS[kind])
    return path


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in the style of this module."""

    @wraps(draw)
    def drawn(*given: P.args, **named: P.kwargs) -> Figure:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*given, **named)

    return drawn


def _figure(columns: int, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(COLUMNS[columns], height), layout="constrained")
    return figure, figure.subplots()


@styled
def confusion(details: Details, columns: int = 1) -> Figure:
    """Draw the pooled confusion matrix: counts, shaded by each row's shares."""
    counts, names = np.array(details.confusion), details.classes
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(columns, COLUMNS[columns] * 0.8)
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for i, j in np.ndindex(*counts.shape):
        ink = "black" if shares[i, j] > 0.5 else "white"
        axes.text(j, i, f"{counts[i, j]}\n{100 * shares[i, j]:.0f} %", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(names)), names, rotation=30 if len(names) > 3 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


@styled
def intervals(scores: Sequence[Score], columns: int = 1, statistic: str = "uf1") -> Figure:
    """Draw one score per row with its 95 % interval over the range of random labels."""
    figure, axes = _figure(columns, 0.55 + 0.19 * len(scores))
    for row, score in enumerate(scores):
        level = score.chance[statistic]
        band = {"color": "#DDDDDD", "height": 0.7, "label": "random labels, 95 %" if not row else None}
        axes.barh(row, level["high"] - level["low"], left=level["low"], **band)
        axes.plot([score.low[statistic], score.high[statistic]], [row, row], color=BLUE)
        axes.plot(score.value[statistic], row, "o", color=BLUE, markersize=3.5)
    axes.set_yticks(range(len(scores)), [one.dataset or one.experiment.name for one in scores])
    for tick, score in zip(axes.get_yticklabels(), scores, strict=True):
        tick.set_fontweight("normal" if score.dataset else "bold")
    axes.set(xlim=(0, 1), ylim=(len(scores) - 0.4, -0.6), xlabel=f"{statistic.upper()} with 95 % interval")
    figure.legend(loc="outside upper right", frameon=False)
    return figure


@styled
def curves(courses: Courses, columns: int = 1) -> Figure:
    """Draw the training loss of every fold over epochs, and their mean."""
    figure, axes = _figure(columns, COLUMNS[columns] * 0.6)
    for number, one in enumerate(courses.losses):
        name = "each fold and seed" if not number else None
        axes.plot(np.arange(1, len(one) + 1), one, color=GREY, linewidth=0.4, label=name)
    axes.plot(np.arange(1, len(courses.mean) + 1), courses.mean, color=BLUE, linewidth=1.6, label="mean")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch", ylabel="training loss")
    axes.legend(frameon=False)
    return figure


@styled
def clip(reader: ClipReader, columns: int = 2, stages: Sequence[str] = ()) -> Figure:
    """Draw the products of a clip in the order of the journey, a row each; only some `stages` where they are named.

    Raises:
        ConfigError: no product of the clip can be drawn.
    """
    pictures = [one for one in clip_pictures(reader, {}) if one.panels]
    pictures = [one for one in pictures if not stages or one.product.split("/")[0] in stages or one.product in stages]
    if not pictures:
        raise ConfigError(f"clip {reader.sample_id}", "has no product that can be drawn", "one of a finished run")
    from matplotlib.figure import Figure

    width = COLUMNS[columns]
    rows = [(one, _lines(one, width)) for one in pictures]
    total = sum(NAME + len(lines) * (SIDE + LABEL) for _, lines in rows)
    figure, below = Figure(figsize=(width, total)), total
    for picture, lines in rows:
        figure.text(0, (below - 0.03) / total, picture.product, va="top", fontweight="bold")
        below -= NAME
        for line in lines:
            below -= SIDE + LABEL
            for left, across, panel in line:
                place = figure.add_axes((left / width, (below + LABEL) / total, across / width, SIDE / total))
                place.set_axis_off()
                place.imshow(panel.image, aspect="auto", interpolation="nearest")
                words = textwrap.fill(panel.label, int(max(across, NARROW) * LETTERS))
                figure.text(left / width, (below + LABEL - 0.03) / total, words, va="top", fontsize=6)
    return figure


def _lines(picture: Picture, width: float) -> list[list[tuple[float, float, Panel]]]:
    """Return the left end and the width in inches of each panel, broken into lines of one height."""
    lines: list[list[tuple[float, float, Panel]]] = [[]]
    left = 0.0
    for panel in picture.panels:
        across = min(SIDE * panel.image.shape[1] / panel.image.shape[0], width)
        if lines[-1] and left + across > width:
            lines.append([])
            left = 0.0
        lines[-1].append((left, across, panel))
        left += max(across, NARROW) + GAP
    return lines
