"""Figures for a paper: drawn for print at the width of one or two columns, in colours that the colour-blind tell apart.

Text is 8 points at the printed size and stays text in PDF and SVG; values are written beside colours, so that nothing
is told by colour alone. The colours are those of Okabe and Ito and, for shares, matplotlib's `cividis`. The same
inputs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mer.core.atomic import atomic_path
from mer.core.errors import ConfigError
from mer.report.clip_pictures import ClipReader, clip_pictures
from mer.report.courses import Courses
from mer.report.details import Details
from mer.report.product_pictures import Picture
from mer.report.scores import Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = {1: 3.5, 2: 7.16}  # inches, as IEEE prints them
FORMATS = ("pdf", "svg", "png")
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
STYLE = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "axes.linewidth": 0.6, "lines.linewidth": 1.0, "axes.spines.top": False,
    "axes.spines.right": False, "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "mer",
    "figure.dpi": 100, "savefig.dpi": 300, "figure.constrained_layout.use": True,
}  # fmt: skip
TIMELESS = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


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
        figure.savefig(temporary, format=kind, metadata=TIMELESS[kind])
    return path


def _figure(columns: int, height: float, **grid: Any) -> tuple[Figure, Any]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMNS[columns], height))
        return figure, figure.subplots(**grid)


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


def intervals(scores: Sequence[Score], columns: int = 1, statistic: str = "uf1") -> Figure:
    """Draw one score per row with its 95 % interval over the range of random labels."""
    figure, axes = _figure(columns, 0.55 + 0.19 * len(scores))
    for row, score in enumerate(scores):
        level = score.chance[statistic]
        band = {"color": "#DDDDDD", "height": 0.7, "label": "random labels, 95 %" if not row else None}
        axes.barh(row, level["high"] - level["low"], left=level["low"], **band)
        axes.plot([score.low[statistic], score.high[statistic]], [row, row], color=BLUE)
        axes.plot(score.value[statistic], row, "o", color=BLUE, markersize=3.5)
    labels = [one.experiment.name if one.dataset is None else f"   {one.dataset}" for one in scores]
    axes.set_yticks(range(len(scores)), labels)
    axes.set(xlim=(0, 1), ylim=(len(scores) - 0.4, -0.6), xlabel=f"{statistic.upper()} with 95 % interval")
    figure.legend(loc="outside upper right", frameon=False)
    return figure


def curves(courses: Courses, columns: int = 1) -> Figure:
    """Draw the training loss of every fold over epochs, and their mean."""
    figure, axes = _figure(columns, COLUMNS[columns] * 0.6)
    for number, one in enumerate(courses.losses):
        name = "each fold and seed" if not number else None
        axes.plot(np.arange(1, len(one) + 1), one, color=GREY, linewidth=0.4, label=name)
    axes.plot(np.arange(1, len(courses.mean) + 1), courses.mean, color=BLUE, linewidth=1.6, label="mean")
    axes.set(xlabel="epoch", ylabel="training loss")
    axes.legend(frameon=False)
    return figure


def clip(reader: ClipReader, columns: int = 2, stages: Sequence[str] = ()) -> Figure:
    """Draw the products of a clip in the order of the journey, a row each; only some `stages` where they are named.

    Raises:
        ConfigError: no product of the clip can be drawn.
    """
    pictures = [one for one in clip_pictures(reader, {}) if one.panels]
    pictures = [one for one in pictures if not stages or one.product.split("/")[0] in stages or one.product in stages]
    if not pictures:
        raise ConfigError(f"clip {reader.sample_id}", "has no product that can be drawn", "one of a finished run")
    most = 4 if columns == 1 else 8
    rows = [_spread(one, most) for one in pictures]
    across = max(len(row) for row in rows)
    side = COLUMNS[columns] / across
    figure, grid = _figure(columns, len(rows) * (side + 0.28), nrows=len(rows), ncols=across, squeeze=False)
    for axes, picture, row in zip(grid, pictures, rows, strict=True):
        axes[0].set_title(picture.product, loc="left", fontweight="bold")
        for place, panel in zip(axes, [*row, *[None] * (across - len(row))], strict=True):
            place.set_axis_off()
            if panel is not None:
                place.imshow(panel.image)
                place.text(0.5, -0.03, panel.label, transform=place.transAxes, ha="center", va="top", fontsize=6)
    return figure


def _spread(picture: Picture, most: int) -> list[Any]:
    """Return at most `most` panels, first and last among them."""
    panels = list(picture.panels)
    chosen = sorted({round(float(i)) for i in np.linspace(0, len(panels) - 1, min(len(panels), most))})
    return [panels[i] for i in chosen]
