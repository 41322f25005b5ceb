"""Charts as lists of shapes, which the template `charts.html` writes as inline SVG.

Colours come from the page's style sheet, so that they follow the light and dark scheme, and every shape of a value can
carry its numbers as a tip. A chart library would bake both in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

WIDTH = 720
EDGE = 18  # pixels from the right end within which a label is set flush right
POINTS = 700  # of a curve, at most
UNIT_TICKS = tuple((k / 5, f"{k / 5:.1f}") for k in range(6))


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` on pixels from `start` to `stop`; what lies beyond is drawn at the ends."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        inside = min(max(value, self.low), self.high)
        return self.start + (self.stop - self.start) * (inside - self.low) / (self.high - self.low or 1.0)


@dataclass(frozen=True)
class Shape:
    """One SVG element: its attributes as they are written, the text in it, and the tip that a pointer calls up."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    tip: str = ""


@dataclass
class Chart:
    """Shapes in the order in which they are drawn; `title` says to a screen reader what the chart shows."""

    title: str
    height: float
    kind: str = "chart"
    shapes: list[Shape] = field(default_factory=list)
    width = WIDTH

    @property
    def box(self) -> str:
        """The attribute `viewBox`."""
        return f"0 0 {self.width} {self.height:g}"

    def add(self, name: str, kind: str, text: str = "", tip: str = "", **places: float) -> None:
        """Draw a shape; `places` are in pixels, written to a hundredth."""
        attributes = {key: f"{value:.2f}".rstrip("0").rstrip(".") for key, value in places.items()}
        self.shapes.append(Shape(name, attributes | {"class": kind}, text, tip))

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a line."""
        self.add("line", kind, x1=x1, y1=y1, x2=x2, y2=y2)

    def text(self, x: float, y: float, text: str, kind: str) -> None:
        """Write a text; `end` and `mid` among the classes of `kind` say which of its places is at `x`."""
        self.add("text", kind, text, x=x, y=y)

    def block(
        self, left: float, right: float, top: float, height: float, kind: str, tip: str = "", least: float = 0.5
    ) -> None:
        """Draw a rectangle that is at least `least` pixels wide."""
        self.add("rect", kind, tip=tip, x=left, y=top, width=max(right - left, least), height=height)

    def dot(self, x: float, y: float, radius: float, kind: str = "dot", tip: str = "") -> None:
        """Draw a point."""
        self.add("circle", kind, tip=tip, cx=x, cy=y, r=radius)

    def curve(self, x: Scale, y: Scale, places: np.ndarray, values: np.ndarray) -> None:
        """Draw values (N,) over places (N,), thinned where they are many."""
        self.lines(x, y, *thinned(places, values), "curve")

    def lines(self, x: Scale, y: Scale, places: np.ndarray, values: np.ndarray, kind: str, tip: str = "") -> None:
        """Draw values (N,) over places (N,) as they are."""
        points = " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in zip(places, values, strict=True))
        self.shapes.append(Shape("polyline", {"points": points, "class": kind}, tip=tip))

    def axis(self, scale: Scale, ticks: Iterable[tuple[float, str]], top: float, bottom: float, below: float) -> None:
        """Draw a line from `top` to `bottom` at each tick (value, label), and its label `below` pixels further down."""
        for value, label in ticks:
            self.line(scale(value), top, scale(value), bottom, "grid")
            # A label in the middle of the last tick would be cut by the edge.
            anchor = "end" if scale(value) > WIDTH - EDGE else "mid"
            self.text(scale(value), bottom + below, label, f"tick {anchor}")


@dataclass(frozen=True)
class Interval:
    """One line of an interval chart: a score in [0, 1], its interval, and the range that random labels reach."""

    label: str
    value: float
    low: float
    high: float
    chance_low: float
    chance_high: float


def _shortened(label: str, room: int) -> str:
    return label if len(label) <= room else label[: room - 1] + "…"


def interval_chart(rows: Sequence[Interval], score: str) -> Chart:
    """Return points with 95 % intervals over the range of random labels, one line per row, on a scale from 0 to 1."""
    x, step, top = Scale(0, 1, 210, WIDTH - 20), 26.0, 6.0
    bottom = top + step * len(rows)
    chart = Chart(f"{score} with 95 % intervals; shaded: random labels", bottom + 36)
    chart.axis(x, UNIT_TICKS, top, bottom, below=14)
    for index, row in enumerate(rows):
        y = top + step * (index + 0.5)
        chart.text(x.start - 10, y + 4, _shortened(row.label, 32), "end")
        chart.block(x(row.chance_low), x(row.chance_high), y - 8, 16, "chance", least=1.0)
        chart.line(x(row.low), y, x(row.high), y, "whisker")
        chart.dot(x(row.value), y, 4, tip=f"{row.label}: {score} {row.value:.3f} [{row.low:.3f}, {row.high:.3f}]")
    chart.text(x(0.5), bottom + 30, score, "tick mid")
    return chart


def subject_chart(subjects: Sequence[tuple[str, float, int]]) -> Chart:
    """Return one dot per (subject, accuracy, clips) on a scale from 0 to 1; equal accuracies are stacked."""
    x, step, columns = Scale(0, 1, 20, WIDTH - 20), 11.0, 60
    heights = Counter(round(accuracy * columns) for _, accuracy, _ in subjects)
    bottom = 8 + step * max(heights.values(), default=1)
    chart = Chart("accuracy per subject", bottom + 36)
    chart.axis(x, UNIT_TICKS, 2, bottom, below=14)
    most = max((clips for _, _, clips in subjects), default=1)
    below: Counter[int] = Counter()
    for name, accuracy, clips in sorted(subjects, key=lambda s: (s[1], -s[2], s[0])):
        column = round(accuracy * columns)
        y, radius = bottom - step * (below[column] + 0.5), 1.8 + 3.2 * (clips / most) ** 0.5
        chart.dot(x(column / columns), y, radius, "dot soft", f"{name}: {accuracy:.2f} of {clips} clips")
        below[column] += 1
    chart.text(x(0.5), bottom + 30, "accuracy of a subject; larger dots have more clips", "tick mid")
    return chart


def bar_chart(
    rows: Sequence[tuple[str, float, str]], title: str, top: float | None = None, step: float = 22.0, kind: str = ""
) -> Chart:
    """Return horizontal bars of (label, value, printed value).

    Args:
        rows: one per bar.
        title: what the bars are.
        top: the value of a full bar; the longest value's when None.
        step: pixels from bar to bar.
        kind: further class of the chart.
    """
    highest = max((value for _, value, _ in rows), default=0.0) if top is None else top
    x = Scale(0, highest or 1.0, 250, WIDTH - 90)
    chart = Chart(title, step * len(rows) + 6, f"chart {kind}".rstrip())
    for index, (label, value, printed) in enumerate(rows):
        y = step * index + 4
        chart.text(x.start - 10, y + step / 2 + 1, _shortened(label, 38), "end")
        chart.block(x.start, x(value), y, step - 7, "bar")
        chart.text(max(x(value), x.start + 0.5) + 6, y + step / 2 + 1, printed, "tick")
    return chart


def score_scale(score: np.ndarray, threshold: float, room: float, top: float, bottom: float) -> Scale:
    """Return the vertical scale of a curve: from its lowest value or 0 to the highest, or the threshold, and `room`."""
    highest = max(float(score.max()), float(threshold)) * room or 1.0
    return Scale(min(0.0, float(score.min())), highest, bottom, top)


def thinned(places: np.ndarray, values: np.ndarray, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return at most `points` values of a curve that keep every peak: the largest of each stretch."""
    if len(values) <= points:
        return places, values
    edges = np.linspace(0, len(values), points + 1).astype(int)[:-1]
    return places[edges], np.maximum.reduceat(values, edges)
