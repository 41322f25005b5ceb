"""The score along a video: rows of a minute, with thresholds, intervals, and where nothing can be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer.analysis.expressions import Curve
from mer.analysis.results import Result
from mer.report.charts import WIDTH, Chart, Scale, score_scale

LEFT, TOP, HEIGHT = 30.0, 16.0, 118.0
BOTTOM = HEIGHT - 26.0
ROW = 60.0  # seconds
SHOWN = 4
TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Timeline:
    """The score of one kind along a video; many rows are `folded` below one of the whole."""

    kind: str
    rows: list[Chart]
    folded: list[Chart]


def timeline(result: Result, curve: Curve) -> Timeline:
    """Return one kind's score along the video: intervals are numbered as in the table."""
    seconds = result.footage.duration
    edges = np.arange(0.0, max(seconds - 1e-6, 1e-6), ROW).tolist()
    spans = [(start, min(start + ROW, seconds)) for start in edges]
    if len(spans) > 1 and spans[-1][1] - spans[-1][0] < ROW / 4:
        spans[-2:] = [(spans[-2][0], seconds)]
    rows = [_row(result, curve, *span) for span in spans]
    if len(rows) <= SHOWN:
        return Timeline(curve.kind, rows, [])
    return Timeline(curve.kind, [_row(result, curve, 0.0, seconds)], rows)


def _row(result: Result, curve: Curve, start: float, stop: float) -> Chart:
    fps = result.footage.fps
    x, y = Scale(start, stop, LEFT, WIDTH - 8), score_scale(curve.score, curve.threshold, 1.06, TOP, BOTTOM)
    title = f"score of {curve.kind}-expressions from {start:.0f} to {stop:.0f} s"
    chart = Chart(title, HEIGHT, "chart timeline")

    def band(first: int, last: int, kind: str, tip: str) -> bool:
        shown = (last + 1) / fps > start and first / fps < stop
        if shown:
            chart.block(x(first / fps), x((last + 1) / fps), TOP, BOTTOM - TOP, kind, tip, least=1.5)
        return shown

    for first, last, reason in result.gaps():
        band(first, last, "gap", f"{reason}: {first / fps:.2f} to {last / fps:.2f} s")
    for peak in result.left_out:
        if peak.kind == curve.kind:
            band(peak.onset, peak.offset, "left-out", f"left out: {peak.reason}")
    for number, one in enumerate(result.expressions, 1):
        tip = f"{number}: {one.onset / fps:.2f} to {one.offset / fps:.2f} s"
        style = "spotted doubtful" if one.warnings else "spotted"
        if one.kind == curve.kind and band(one.onset, one.offset, style, tip):
            chart.text(x(one.apex / fps), TOP - 4, str(number), "mid number")
            chart.dot(x(one.apex / fps), y(one.confidence), 3)
    for cut in result.track.cuts:
        if start <= cut / fps <= stop:
            chart.line(x(cut / fps), TOP, x(cut / fps), BOTTOM, "cut")
    level = y(curve.threshold)
    chart.line(LEFT, level, x.stop, level, "level")
    chart.text(LEFT - 4, level + 4, f"{curve.threshold:.2f}", "tick end")
    seconds = (np.arange(len(curve.score)) + curve.start) / fps
    inside = (seconds >= start) & (seconds <= stop)
    if inside.any():
        chart.curve(x, y, seconds[inside], curve.score[inside])
    chart.line(LEFT, BOTTOM, x.stop, BOTTOM, "grid")
    chart.axis(x, _ticks(start, stop), BOTTOM, BOTTOM + 4, below=12)
    return chart


def _ticks(start: float, stop: float) -> list[tuple[float, str]]:
    """Return round times in a row, at most about a dozen, with their labels."""
    step = next((tick for tick in TICKS if (stop - start) / tick <= 12), 30.0)
    while (stop - start) / step > 14:
        step *= 2
    places = range(int(np.ceil(start / step - 1e-9)), int(stop / step + 1e-9) + 1)
    return [(place * step, clock(place * step, step)) for place in places]


def clock(seconds: float, step: float = 0.01) -> str:
    """Return a time as people write it: 3.5 s, 1:04, 1:02:03."""
    if seconds < 60:
        digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
        return f"{seconds:.{digits}f} s"
    whole, rest = divmod(seconds, 60)
    tail = f"{rest:05.2f}" if step < 1 else f"{rest:02.0f}"
    hours, minutes = divmod(int(whole), 60)
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
