"""The score along a video as SVG: rows of a minute, with thresholds, intervals, and where nothing can be seen."""

from __future__ import annotations

import numpy as np

from mer.analysis.find import Curve
from mer.analysis.tables import Result
from mer.report.charts import WIDTH
from mer.report.markup import Markup, folded, join, tag
from mer.report.spotting import thinned

LEFT, TOP, HEIGHT = 30.0, 16.0, 118.0
BOTTOM = HEIGHT - 26.0
ROW = 60.0  # seconds
SHOWN = 4
TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def timeline(result: Result) -> Markup:
    """Return every kind's score along the video: intervals are numbered as in the table."""
    return join(_of_kind(result, curve) for curve in result.curves)


def _of_kind(result: Result, curve: Curve) -> Markup:
    seconds = result.footage.duration
    edges = np.arange(0.0, max(seconds - 1e-6, 1e-6), ROW).tolist()
    spans = [(start, min(start + ROW, seconds)) for start in edges]
    if len(spans) > 1 and spans[-1][1] - spans[-1][0] < ROW / 4:
        spans[-2:] = [(spans[-2][0], seconds)]
    rows = [_row(result, curve, *span) for span in spans]
    head = tag("h3", f"{curve.kind}-expressions")
    if len(rows) <= SHOWN:
        return join([head, *rows])
    whole = _row(result, curve, 0.0, seconds)
    return join([head, whole, folded("Minute by minute", *rows)])


def _row(result: Result, curve: Curve, start: float, stop: float) -> Markup:
    fps = result.footage.fps
    top = max(float(curve.score.max()), curve.threshold) * 1.06 or 1.0
    low = min(0.0, float(curve.score.min()))

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - 8) * (min(max(seconds, start), stop) - start) / (stop - start)

    def y(value: float) -> float:
        return TOP + (BOTTOM - TOP) * (1 - (value - low) / (top - low))

    def band(a: int, b: int, *children: Markup, **more: object) -> Markup | None:
        left, right = x(a / fps), x((b + 1) / fps)
        if (b + 1) / fps <= start or a / fps >= stop:
            return None
        return tag("rect", *children, x=left, width=max(right - left, 1.5), **more)

    shapes: list[Markup | None] = []
    for a, b, reason in result.gaps():
        shapes.append(band(a, b, tag("title", f"{reason}: {a / fps:.2f} to {b / fps:.2f} s"), y=TOP,
                           height=BOTTOM - TOP, class_="gap"))  # fmt: skip
    for number, found in enumerate(result.expressions, 1):
        if found.kind == curve.kind:
            tip = f"{number}: {found.onset / fps:.2f} to {found.offset / fps:.2f} s"
            kind = "found doubtful" if found.warnings else "found"
            block = band(found.onset, found.offset, tag("title", tip), y=TOP, height=BOTTOM - TOP, class_=kind)
            shapes.append(block)
            if block is not None:
                at = x(found.apex / fps)
                shapes.append(tag("text", str(number), x=at, y=TOP - 4, class_="mid number"))
                shapes.append(tag("circle", cx=at, cy=y(found.confidence), r=3, class_="dot"))
    shapes += [tag("line", x1=x(c / fps), x2=x(c / fps), y1=TOP, y2=BOTTOM, class_="cut")
               for c in result.track.cuts if start <= c / fps <= stop]  # fmt: skip
    level = y(curve.threshold)
    shapes.append(tag("line", x1=LEFT, x2=WIDTH - 8, y1=level, y2=level, class_="level"))
    shapes.append(tag("text", f"{curve.threshold:.2f}", x=LEFT - 4, y=level + 4, class_="tick end"))
    shapes += [_line(curve, fps, start, stop, x, y), *_axis(start, stop, x)]
    title = f"score of {curve.kind}-expressions from {start:.0f} to {stop:.0f} s"
    return tag("svg", *shapes, viewBox=f"0 0 {WIDTH} {HEIGHT:g}", role="img", aria_label=title, class_="chart timeline")


def _line(curve: Curve, fps: float, start: float, stop: float, x: object, y: object) -> Markup:
    assert callable(x) and callable(y)
    seconds = (np.arange(len(curve.score)) + curve.start) / fps
    inside = (seconds >= start) & (seconds <= stop)
    if not inside.any():
        return Markup("")
    points = zip(*thinned(seconds[inside], curve.score[inside]), strict=True)
    return tag("polyline", points=" ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in points), class_="curve")


def _axis(start: float, stop: float, x: object) -> list[Markup]:
    assert callable(x)
    step = next((tick for tick in TICKS if (stop - start) / tick <= 12), 30.0)
    while (stop - start) / step > 14:
        step *= 2
    found = [tag("line", x1=LEFT, x2=WIDTH - 8, y1=BOTTOM, y2=BOTTOM, class_="grid")]
    first = int(np.ceil(start / step - 1e-9))
    for k in range(first, int(stop / step + 1e-9) + 1):
        at = k * step
        found.append(tag("line", x1=x(at), x2=x(at), y1=BOTTOM, y2=BOTTOM + 4, class_="grid"))
        found.append(tag("text", clock(at, step), x=x(at), y=BOTTOM + 16, class_="tick mid"))
    return found


def clock(seconds: float, step: float = 0.01) -> str:
    """Return a time as people write it: 3.5 s, 1:04, 1:02:03."""
    if seconds < 60:
        digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
        return f"{seconds:.{digits}f} s"
    whole, rest = divmod(seconds, 60)
    tail = f"{rest:05.2f}" if step < 1 else f"{rest:02.0f}"
    hours, minutes = divmod(int(whole), 60)
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
