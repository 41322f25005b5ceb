"""The score table as CSV, LaTeX and HTML: pooled scores with intervals, datasets, random labels, mean of folds."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from mer.report.markup import Markup, join, plain, table, tag
from mer.report.scores import NAMES, STATISTICS, Comparison, Score, Twin, verdict, warnings

_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {character: f"\\{character}" for character in "&%$#_{}"}


def number(value: float) -> str:
    """Return a score in [0, 1], or a difference of two, with three decimals and a true minus sign."""
    return f"{value:.3f}".replace("-", "−")


def mean_of_folds(score: Score, classes: str) -> float:
    """Return the average over folds of each fold's macro F1: not UF1 (`mer.metrics.recognition.mean_of_folds`)."""
    return float(score.experiment.metrics["summary"]["mean_of_folds"][classes]["f1"]["mean"])


def scores_csv(rows: Sequence[Score]) -> str:
    """Return one line per experiment and dataset (`pooled` first); text that a spreadsheet would run is quoted."""
    head = ["experiment", "model", "preset", "labels", "view", "protocol", "dataset", "clips", "subjects", "seeds"]
    head += [f"{s}{part}" for s in STATISTICS for part in ("", "_low", "_high", "_sd", "_random_mean", "_random_high")]
    head += ["mean_of_folds_f1_present", "mean_of_folds_f1_all", "verdict", "flags"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([cell(value) for value in _csv_row(score)] for score in rows)
    return buffer.getvalue()


def _csv_row(score: Score) -> list[object]:
    experiment, inputs = score.experiment, score.experiment.inputs
    row: list[object] = [experiment.name, inputs.model, inputs.preset, inputs.labels, inputs.view, inputs.protocol]
    row += [score.dataset or "pooled", score.clips, score.subjects, len(experiment.metrics["seeds"])]
    for s in STATISTICS:
        row += [
            score.value[s],
            score.low[s],
            score.high[s],
            score.sd[s],
            score.chance[s]["mean"],
            score.chance[s]["high"],
        ]
    folds = [None, None] if score.dataset else [mean_of_folds(score, "present"), mean_of_folds(score, "all")]
    return [*row, *folds, verdict(score), "" if score.dataset else "; ".join(experiment.metrics["flags"])]


def cell(value: object) -> str:
    """Return a value as a CSV cell; text that a spreadsheet would run is quoted."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6f}"
    text = plain(value)
    # A leading one of these makes a spreadsheet evaluate the cell.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def tex(text: object) -> str:
    """Return text with the characters that LaTeX reserves escaped."""
    return "".join(_TEX.get(character, character) for character in plain(text))


def scores_tex(rows: Sequence[Score]) -> str:
    """Return the same as a LaTeX `tabular` that needs no package."""
    lines = []
    for score in rows:
        cells = [rf"{number(score.value[s])} [{number(score.low[s])}, {number(score.high[s])}]" for s in STATISTICS]
        name = tex(score.experiment.name) if score.dataset is None else rf"\quad {tex(score.dataset)}"
        lines.append(" & ".join([name, str(score.clips), *cells, number(score.chance["uf1"]["high"])]) + r" \\")
    head = r" & clips & UF1 [95\,\%] & UAR [95\,\%] & accuracy [95\,\%] & random UF1 \\"
    body = "\n".join([r"\begin{tabular}{lrcccc}", r"\hline", head, r"\hline", *lines, r"\hline", r"\end{tabular}"])
    note = "% random UF1: 97.5 % of random orders of the labels stay below. Intervals: subject bootstrap."
    return f"{note}\n{body}\n"


def score_table(rows: Sequence[Score]) -> Markup:
    """Return the score table: a pooled row per experiment, followed by its datasets where there are several."""
    scores = [join([NAMES[s], tag("span", "[95 %]", class_="range")]) for s in STATISTICS]
    folds = tag("span", "mean of folds F1, present / all", class_="grey")
    head = ["experiment", "clips", "subjects", *scores, "random UF1", "UF1 over seeds", folds]
    return table(head, map(_row, rows), numbers=range(1, 9), class_="scores")


def _row(score: Score) -> list[Markup | str]:
    experiment = score.experiment
    seeds = len(experiment.metrics["seeds"])
    if score.dataset is None:
        system = tag(
            "span", f"{experiment.system}, {experiment.inputs.view}, {experiment.inputs.protocol}", class_="grey"
        )
        notes = ["permuted labels"] if experiment.inputs.labels == "permuted" else []
        notes += ["oracle AU"] if experiment.metrics.get("oracle") else []
        notes += ["see the warning above"] if warnings(score) else []
        marks = tag("span", f" {', '.join(notes)}", class_="note") if notes else None
        name = join([tag("strong", experiment.name), marks, Markup("<br>"), system])
        folds = tag(
            "span", f"{number(mean_of_folds(score, 'present'))} / {number(mean_of_folds(score, 'all'))}", class_="grey"
        )
    else:
        name, folds = tag("span", score.dataset, class_="indent"), Markup("")
    sd = score.sd["uf1"]
    over = f"± {number(sd)} (n = {seeds})" if sd is not None else "one seed"
    values = [
        join(
            [number(score.value[s]), tag("span", f" [{number(score.low[s])}, {number(score.high[s])}]", class_="range")]
        )
        for s in STATISTICS
    ]
    return [
        name,
        str(score.clips),
        str(score.subjects),
        *values,
        f"≤ {number(score.chance['uf1']['high'])}",
        over,
        folds,
    ]


def comparisons_csv(rows: Sequence[Comparison]) -> str:
    """Return one line per pair: differences with their paired intervals, and whether they can be told from zero."""
    head = ["first", "second", "clips"]
    head += [f"{s}{part}" for s in STATISTICS for part in ("_difference", "_low", "_high", "_reading")]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*head, "problem"])
    for row in rows:
        line: list[object] = [row.first, row.second, row.clips]
        for s in STATISTICS:
            found = row.scores.get(s)
            line += [found["value"], found["low"], found["high"], reading(row, s)] if found else [None] * 4
        writer.writerow([cell(value) for value in [*line, row.problem]])
    return buffer.getvalue()


def reading(row: Comparison, statistic: str) -> str:
    """Return which of two experiments is better by a statistic, or that the two cannot be told apart."""
    found = row.scores[statistic]
    better = row.first if found["value"] > 0 else row.second
    return f"{better} is better" if found["distinguishable"] else "not distinguishable"


def comparison_table(rows: Sequence[Comparison]) -> Markup:
    """Return every comparison: differences with their paired intervals, grey where they cannot be told from zero."""
    head = ["experiments", "shared clips", "UF1 difference [95 %]", "UAR difference [95 %]", "reading by UF1"]
    return table(head, [_comparison(row) for row in rows], numbers=(1, 2, 3))


def _comparison(row: Comparison) -> list[Markup | str]:
    pair = f"{row.first} − {row.second}"
    if row.problem:
        return [pair, "–", "–", "–", f"not comparable: {row.problem}"]
    told = reading(row, "uf1")
    end = "" if row.scores["uf1"]["distinguishable"] else ": the interval contains 0"
    return [pair, str(row.clips), _difference(row, "uf1"), _difference(row, "uar"), told + end]


def _difference(row: Comparison, statistic: str) -> Markup:
    found = row.scores[statistic]
    sign = "+" if found["value"] >= 0 else ""
    text = f"{sign}{number(found['value'])} [{number(found['low'])}, {number(found['high'])}]"
    return tag("strong", text) if found["distinguishable"] else tag("span", text, class_="grey")


def twin_table(rows: Sequence[Twin]) -> Markup:
    """Return every permuted-label experiment: its score, the band that chance allows it, and its true twin."""
    head = ["experiment on permuted labels", "UF1 [95 %]", "chance band of its predictions", "p", "reading"]
    return table([*head, "the same on true labels"], map(_twin, rows), numbers=(1, 2, 3), class_="scores")


def _twin(row: Twin) -> list[Markup | str]:
    own, band = row.permuted, row.band
    told = tag("span", "above the band: look for a leak", class_="bad") if row.leaks else Markup("no sign of a leak")
    other: Markup | str = "none configured"
    if row.true is not None:
        other = join([f"{row.true.experiment.name}: ", _spread(row.true)])
    return [own.experiment.name, _spread(own), f"{number(band['low'])} to {number(band['high'])}",
            f"{band['p']:.2f}", told, other]  # fmt: skip


def _spread(score: Score) -> Markup:
    bounds = f" [{number(score.low['uf1'])}, {number(score.high['uf1'])}]"
    return join([number(score.value["uf1"]), tag("span", bounds, class_="range")])
