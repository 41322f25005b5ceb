"""The spotting section: scores, and the curve of every recording with what is true and what was spotted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mer.core.errors import ModelError
from mer.core.seal import why_unreadable
from mer.report.charts import WIDTH, Chart, Scale, score_scale
from mer.report.inputs import SpottingInputs
from mer.spotting.curves import Curve, read_curves
from mer.spotting.interval_files import Interval, read_table, require_rows
from mer.spotting.score_intervals import MATCHING, pair_intervals

HEIGHT, LEFT = 96.0, 8.0
SCORES = ("f1_spotting", "ap_50_95", "f1_analysis", "uf1", "strs")


@dataclass(frozen=True)
class Spotting:
    """One spotting experiment: its `metrics.json`, the true and the spotted intervals, and the curves of one seed."""

    name: str
    metrics: Mapping[str, Any]
    truth: Sequence[Interval]
    spotted: Sequence[Interval]
    curves: Sequence[Curve]

    @property
    def cells(self) -> list[str]:
        """The row of the table: protocol, recordings, counts of each seed, and mean scores."""
        metrics = self.metrics
        counts = [" / ".join(str(run[name]) for run in metrics["seeds"].values()) for name in ("tp", "fp", "fn")]
        known = SCORES if metrics["classes"] else SCORES[:2]
        scores = [f"{metrics['mean'][name]:.3f}" if name in known else "–" for name in SCORES]
        quiet = metrics["recordings_without_expression"]
        recordings = f"{metrics['recordings']} ({quiet} quiet)" if quiet else str(metrics["recordings"])
        return [self.name, metrics["protocol"], recordings, *counts, *scores]

    @property
    def recordings(self) -> list[tuple[str, Chart]]:
        """What is true, spotted and right in each recording, in words and as a chart."""
        return [_recording(curve, self) for curve in self.curves]


def load_spotting(name: str, inputs: SpottingInputs) -> Spotting:
    """Read the results of a spotting experiment; raises `ModelError` when one is missing or damaged."""
    folder, seed = inputs.folder, f"seed{inputs.seed}"
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        curves = [curve for fold in inputs.folds for curve in read_curves(folder / seed / fold / "curves.npz")]
    except FileNotFoundError as error:
        raise ModelError(error.filename, "not found", "the results of a finished run", "run it again") from None
    except OSError as error:
        found, remedy = why_unreadable(error)
        raise ModelError(error.filename or folder, found, "the results of a finished run", remedy) from None
    except (ValueError, KeyError) as error:
        raise ModelError(folder, f"unreadable results ({error})", "those of a finished run", "run it again") from error
    tables = [require_rows(read_table(folder / part)) for part in ("gt.csv", "pred.csv")]
    return Spotting(name, metrics, tables[0].rows, tables[1].rows, curves)


def _recording(curve: Curve, experiment: Spotting) -> tuple[str, Chart]:
    # Names of numbers lose their zeros in a table of intervals; recordings are named by words.
    truth, spotted = ([row for row in rows if row.video == curve.video and row.type in ("", curve.kind)]
                      for rows in (experiment.truth, experiment.spotted))  # fmt: skip
    right = set(pair_intervals(truth, spotted, MATCHING[experiment.metrics["protocol"]])[:, 1].tolist())
    text = f"{curve.video}, {curve.kind}: {len(truth)} true, {len(spotted)} found, {len(right)} of them right"
    return text, curve_chart(curve, truth, spotted, right)


def curve_chart(curve: Curve, truth: Sequence[Interval], spotted: Sequence[Interval], right: set[int]) -> Chart:
    """Return the score of a recording over its frames, with true spans below and spotted ones above.

    Args:
        curve: the smoothed score.
        truth: the true intervals, file numbers.
        spotted: the spotted intervals.
        right: indices of the spotted ones that are right.
    """
    first, last = float(curve.numbers[0]), float(max(curve.numbers[-1], curve.numbers[0] + 1))
    x, y = Scale(first, last, LEFT, WIDTH - LEFT), score_scale(curve.score, curve.threshold, 1.08, 14, HEIGHT - 20)
    chart = Chart(f"spotting score of {curve.video}", HEIGHT)
    for row in truth:
        tip = f"true: {row.onset} to {row.offset}"
        chart.block(x(row.onset), x(row.offset), HEIGHT - 18, 7, "truth", tip, least=2.0)
    for k, row in enumerate(spotted):
        tip = f"found: {row.onset} to {row.offset} {row.emotion}, {row.confidence:.2f}"
        chart.block(x(row.onset), x(row.offset), 2, 7, "hit" if k in right else "alarm", tip, least=2.0)
    chart.line(x.start, y(curve.threshold), x.stop, y(curve.threshold), "level")
    chart.curve(x, y, curve.numbers, curve.score)
    chart.text(x.start, HEIGHT - 1, f"{first:g}", "tick")
    chart.text(x.stop, HEIGHT - 1, f"frame {last:g}", "tick end")
    return chart
