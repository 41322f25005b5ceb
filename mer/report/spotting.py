"""The spotting section of the report: scores, and the curve of every recording with what is true and what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.metrics.spotting import match
from mer.report.charts import WIDTH
from mer.report.markup import Markup, counted, folded, join, table, tag
from mer.spotting.curves import Curve, read_curves
from mer.spotting.interval_files import Interval, read_table, require_rows

HEIGHT, LEFT = 96.0, 8.0
POINTS = 700
SHOWN = 6
HOW = (
    "A spotted interval is right when it overlaps a true one by at least half of their union, one to one. Recordings "
    "without an expression count: what is found in them is a false alarm. STRS is spotting F1 times the F1 of naming "
    "the spotted ones. Curves are smoothed scores; the dashed line is the threshold of a peak. Grey below: true; green "
    "above: found and right; red: false alarms."
)
REF = "Protocol ref reproduces the published evaluation, which leaves out recordings without an expression."


@dataclass(frozen=True)
class Spotting:
    """One spotting experiment as the page shows it."""

    name: str
    metrics: Mapping[str, Any]
    truth: Sequence[Interval]
    found: Sequence[Interval]
    curves: Sequence[Curve]


def load_spotting(name: str, folder: Path, seed: int, folds: Sequence[str]) -> Spotting:
    """Read the results of a spotting experiment; raises `ModelError` when one is missing or damaged."""
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        curves = [curve for fold in folds for curve in read_curves(folder / f"seed{seed}" / fold / "curves.npz")]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(folder, f"unreadable results ({error})", "those of a finished run", "run it again") from error
    tables = [require_rows(read_table(folder / part)) for part in ("gt.csv", "pred.csv")]
    return Spotting(name, metrics, tables[0].rows, tables[1].rows, curves)


def spotting_section(experiments: Sequence[Spotting]) -> Markup:
    """Return the scores of every spotting experiment and the curves of its recordings."""
    head = ["experiment", "protocol", "recordings", "TP", "FP", "FN", "F1", "AP .5:.95", "F1 of names", "UF1", "STRS"]
    rows = [_row(experiment) for experiment in experiments]
    blocks = [_curves(experiment) for experiment in experiments]
    notes = [tag("p", HOW, class_="grey")]
    if any(experiment.metrics["protocol"] == "ref" for experiment in experiments):
        notes.append(tag("p", REF, class_="grey"))
    return join([table(head, rows, range(2, len(head)), class_="scores"), *notes, *blocks])


def _row(experiment: Spotting) -> list[str | int]:
    metrics = experiment.metrics
    seeds = list(metrics["seeds"].values())
    counts = [" / ".join(str(run[name]) for run in seeds) for name in ("tp", "fp", "fn")]
    mean = metrics["mean"]
    names = ("f1_spotting", "ap_50_95", "f1_analysis", "uf1", "strs")
    named = bool(metrics["classes"])
    scores = [f"{mean[name]:.3f}" if named or name in names[:2] else "–" for name in names]
    quiet = metrics["recordings_without_expression"]
    recordings = f"{metrics['recordings']} ({quiet} quiet)" if quiet else str(metrics["recordings"])
    return [experiment.name, metrics["protocol"], recordings, *counts, *scores]


def _curves(experiment: Spotting) -> Markup:
    # Names of numbers lose their zeros in a table of intervals; recordings are named by words.
    drawn = [_recording(curve, experiment) for curve in experiment.curves]
    shown, rest = drawn[:SHOWN], drawn[SHOWN:]
    parts = [tag("h3", experiment.name), *shown]
    if rest:
        parts.append(folded(f"{counted(len(rest), 'more recording')}", *rest))
    return join(parts)


def _recording(curve: Curve, experiment: Spotting) -> Markup:
    own = [[row for row in rows if row.video == curve.video and row.type in ("", curve.kind)]
           for rows in (experiment.truth, experiment.found)]  # fmt: skip
    spans = [np.array([(row.onset, row.offset) for row in rows], np.int64).reshape(-1, 2) for rows in own]
    pairs = match(spans[0], spans[1])
    right = set(pairs[:, 1].tolist())
    text = f"{curve.video}, {curve.kind}: {len(own[0])} true, {len(own[1])} found, {len(right)} of them right"
    chart = curve_chart(curve, spans[0], spans[1], right, own[1])
    return tag("figure", tag("b", text), chart, class_="wide")


def curve_chart(
    curve: Curve, truth: np.ndarray, found: np.ndarray, right: set[int], rows: Sequence[Interval] = ()
) -> Markup:
    """Return the score of a recording over its frames as SVG, with true spans below and found ones above.

    Args:
        curve: the smoothed score.
        truth: (G, 2) true intervals, file numbers.
        found: (P, 2) found intervals.
        right: indices of the found ones that are right.
        rows: the found intervals' rows, for their tips.
    """
    first, last = float(curve.numbers[0]), float(max(curve.numbers[-1], curve.numbers[0] + 1))
    top = float(max(curve.score.max(), curve.threshold)) * 1.08 or 1.0
    low = float(min(0.0, curve.score.min()))

    def x(number: float) -> float:
        return LEFT + (WIDTH - 2 * LEFT) * (min(max(number, first), last) - first) / (last - first)

    def y(value: float) -> float:
        return 14 + (HEIGHT - 34) * (1 - (value - low) / (top - low or 1.0))

    numbers, score = thinned(curve.numbers, curve.score)
    points = " ".join(f"{x(n):.1f},{y(s):.1f}" for n, s in zip(numbers, score, strict=True))
    shapes = [_span(x(a), x(b), HEIGHT - 18, 7, "truth", f"true: {a} to {b}") for a, b in truth.tolist()]
    for k, (a, b) in enumerate(found.tolist()):
        name = f" {rows[k].emotion}, {rows[k].confidence:.2f}" if rows else ""
        shapes.append(_span(x(a), x(b), 2, 7, "hit" if k in right else "alarm", f"found: {a} to {b}{name}"))
    shapes.append(tag("line", x1=LEFT, x2=WIDTH - LEFT, y1=y(curve.threshold), y2=y(curve.threshold), class_="level"))
    shapes.append(tag("polyline", points=points, class_="curve"))
    shapes += [
        tag("text", f"{first:g}", x=LEFT, y=HEIGHT - 1, class_="tick"),
        tag("text", f"frame {last:g}", x=WIDTH - LEFT, y=HEIGHT - 1, class_="tick end"),
    ]
    title = f"spotting score of {curve.video}"
    return tag("svg", *shapes, viewBox=f"0 0 {WIDTH} {HEIGHT:g}", role="img", aria_label=title, class_="chart")


def _span(left: float, right: float, top: float, height: float, kind: str, tip: str) -> Markup:
    return tag("rect", tag("title", tip), x=left, y=top, width=max(right - left, 2.0), height=height, class_=kind)


def thinned(numbers: np.ndarray, score: np.ndarray, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return at most `points` values of a curve that keep every peak: the largest of each stretch."""
    if len(score) <= points:
        return numbers, score
    edges = np.linspace(0, len(score), points + 1).astype(int)[:-1]
    return numbers[edges], np.maximum.reduceat(score, edges)
