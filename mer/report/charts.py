"""Charts as inline SVG; colours come from the page's style sheet, so that they follow the light and dark scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mer.report.markup import Markup, join, tag

WIDTH = 720


@dataclass(frozen=True)
class Interval:
    """One line of an interval chart: a score in [0, 1], its interval, and the range that random labels reach."""

    label: str
    value: float
    low: float
    high: float
    chance_low: float
    chance_high: float


def _svg(height: float, *children: Markup, title: str) -> Markup:
    return tag("svg", *children, viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=title, class_="chart")


def _text(x: float, y: float, text: str, class_: str = "") -> Markup:
    return tag("text", text, x=x, y=y, class_=class_ or None)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def _shorten(label: str, room: int) -> str:
    return label if len(label) <= room else label[: room - 1] + "…"


def _axis(left: float, width: float, top: float, bottom: float) -> Markup:
    """Return grid lines and figures of a scale from 0 to 1."""
    marks = []
    for tenth in range(0, 11, 2):
        x = left + width * tenth / 10
        marks += [_line(x, top, x, bottom, "grid"), _text(x, bottom + 14, f"{tenth / 10:.1f}", "tick mid")]
    return join(marks)


def interval_chart(rows: Sequence[Interval], score: str) -> Markup:
    """Return points with 95 % intervals over the range of random labels, one line per row, on a scale from 0 to 1."""
    left, width, step, top = 210.0, WIDTH - 230.0, 26.0, 6.0
    bottom = top + step * len(rows)
    shapes = [_axis(left, width, top, bottom)]
    for index, row in enumerate(rows):
        y = top + step * (index + 0.5)
        a, b = left + width * row.chance_low, left + width * row.chance_high
        x, low, high = (left + width * v for v in (row.value, row.low, row.high))
        tip = f"{row.label}: {score} {row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        shapes += [
            _text(left - 10, y + 4, _shorten(row.label, 32), "end"),
            tag("rect", x=a, y=y - 8, width=max(b - a, 1.0), height=16, class_="chance"),
            _line(low, y, high, y, "whisker"),
            tag("circle", tag("title", tip), cx=x, cy=y, r=4, class_="dot"),
        ]
    shapes.append(_text(left + width / 2, bottom + 30, score, "tick mid"))
    return _svg(bottom + 36, *shapes, title=f"{score} with 95 % intervals; shaded: random labels")


def subject_chart(subjects: Sequence[tuple[str, float, int]]) -> Markup:
    """Return one dot per (subject, accuracy, clips) on a scale from 0 to 1; equal accuracies are stacked."""
    left, width, step = 20.0, WIDTH - 40.0, 11.0
    piles: dict[int, int] = {}
    placed = []
    for name, accuracy, clips in sorted(subjects, key=lambda s: (s[1], -s[2], s[0])):
        column = round(accuracy * 60)
        placed.append((left + width * column / 60, piles.get(column, 0), name, accuracy, clips))
        piles[column] = piles.get(column, 0) + 1
    bottom = 8 + step * max(piles.values(), default=1)
    most = max((clips for _, _, clips in subjects), default=1)
    dots = [
        tag(
            "circle", tag("title", f"{name}: {accuracy:.2f} of {clips} clips"),
            cx=x, cy=bottom - step * (level + 0.5), r=1.8 + 3.2 * (clips / most) ** 0.5, class_="dot soft",
        )
        for x, level, name, accuracy, clips in placed
    ]  # fmt: skip
    label = _text(left + width / 2, bottom + 30, "accuracy of a subject; larger dots have more clips", "tick mid")
    return _svg(bottom + 36, _axis(left, width, 2, bottom), *dots, label, title="accuracy per subject")


def bar_chart(rows: Sequence[tuple[str, float, str]], unit: str) -> Markup:
    """Return horizontal bars of (label, value, printed value), longest value full width."""
    left, width, step = 250.0, WIDTH - 340.0, 22.0
    top = max((value for _, value, _ in rows), default=0.0) or 1.0
    shapes = []
    for index, (label, value, printed) in enumerate(rows):
        y = step * index + 4
        length = max(width * value / top, 0.5)
        shapes += [
            _text(left - 10, y + 12, _shorten(label, 38), "end"),
            tag("rect", x=left, y=y, width=length, height=step - 7, class_="bar"),
            _text(left + length + 6, y + 12, printed, "tick"),
        ]
    return _svg(step * len(rows) + 6, *shapes, title=f"{unit} per stage")


def confusion_table(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """Return a confusion matrix: rows are the truth, counts printed, each row shaded by its own shares."""
    head = tag(
        "tr", tag("th", "true \\ predicted", class_="corner"), *(tag("th", name, class_="n") for name in classes)
    )
    body = []
    for name, counts in zip(classes, matrix, strict=True):
        total = sum(counts)
        cells = []
        for count in counts:
            share = count / total if total else 0.0
            cells.append(
                tag(
                    "td", count, tag("small", f"{100 * share:.0f} %" if total else "–"),
                    class_="n cell hi" if share > 0.65 else "n cell", style=f"--share:{share:.3f}",
                )
            )  # fmt: skip
        body.append(tag("tr", tag("th", name), *cells))
    return tag("table", tag("thead", head), tag("tbody", *body), class_="confusion")
