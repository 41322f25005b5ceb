"""The tables beside the page: scores as CSV and LaTeX, comparisons as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mer.core import latex
from mer.core.csvfile import csv_text
from mer.report.citations import called, cite
from mer.report.scores import STATISTICS, Comparison, Score
from mer.report.wording import number, plain

SCORE_COLUMNS = (
    *("experiment", "model", "preset", "labels", "view", "protocol", "dataset", "clips", "subjects", "seeds"),
    *(f"{s}{part}" for s in STATISTICS for part in ("", "_low", "_high", "_sd", "_random_mean", "_random_high")),
    *("mean_of_folds_f1_present", "mean_of_folds_f1_all", "verdict", "flags"),
)
COMPARISON_COLUMNS = (
    *("first", "second", "clips"),
    *(f"{s}{part}" for s in STATISTICS for part in ("_difference", "_low", "_high", "_reading")),
    "problem",
)


def safe_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV text; text that a spreadsheet would run is quoted, decimals are six."""
    return csv_text(columns, ([_cell(value) for value in row] for row in rows))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6f}"
    text = plain(value)
    # A leading one of these makes a spreadsheet evaluate the cell.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def scores_csv(scores: Sequence[Score]) -> str:
    """Return one line per experiment and dataset (`pooled` first)."""
    return safe_csv(SCORE_COLUMNS, map(score_cells, scores))


def score_cells(score: Score) -> list[object]:
    """Return the values of `SCORE_COLUMNS` for one row of the table."""
    experiment, inputs = score.experiment, score.experiment.inputs
    row: list[object] = [experiment.name, inputs.model, inputs.preset, inputs.labels, inputs.view, inputs.protocol]
    row += [score.dataset or "pooled", score.clips, score.subjects, experiment.seeds]
    for s in STATISTICS:
        row += [score.value[s], score.low[s], score.high[s], score.sd[s]]
        row += [score.chance[s]["mean"], score.chance[s]["high"]]
    folds = [None if score.dataset else experiment.mean_of_folds(classes) for classes in ("present", "all")]
    return [*row, *folds, score.verdict, "" if score.dataset else "; ".join(experiment.metrics["flags"])]


def scores_tex(scores: Sequence[Score], readers: Mapping[str, str] | None = None) -> str:
    """Return the same as a LaTeX `tabular` that needs the package booktabs, with the citations of `references.bib`.

    Args:
        scores: the rows.
        readers: reader of each database, by which it is cited.
    """
    lines: list[str] = []
    for score in scores:
        cells = [rf"{number(score.value[s])} [{number(score.low[s])}, {number(score.high[s])}]" for s in STATISTICS]
        if score.dataset is None:
            lines += [r"\midrule"] if lines else []
            name = latex.escape(plain(score.experiment.name)) + cite(f"model:{score.experiment.inputs.model}")
        else:
            reader = f"reader:{(readers or {}).get(score.dataset, '')}"
            name = rf"\quad {called(reader, latex.escape(plain(score.dataset)))}{cite(reader)}"
        lines.append(" & ".join([name, str(score.clips), *cells, number(score.chance["uf1"]["high"])]) + r" \\")
    head = r" & clips & UF1 [95\,\%] & UAR [95\,\%] & accuracy [95\,\%] & random UF1 \\"
    rules = [r"\toprule", head, r"\midrule", *lines, r"\bottomrule"]
    body = "\n".join([r"\begin{tabular}{lrcccc}", *rules, r"\end{tabular}"]).replace("−", "$-$")
    note = "% random UF1: 97.5 % of random orders of the labels stay below. Intervals: subject bootstrap."
    needs = r"% \usepackage{booktabs}; \scriptsize fits two columns. The citations are in references.bib."
    return f"{note}\n{needs}\n{body}\n"


def comparisons_csv(rows: Sequence[Comparison]) -> str:
    """Return one line per pair: differences with their paired intervals, and whether they can be told from zero."""
    return safe_csv(COMPARISON_COLUMNS, map(_comparison_row, rows))


def _comparison_row(row: Comparison) -> list[object]:
    line: list[object] = [row.first, row.second, row.clips]
    for s in STATISTICS:
        difference = row.scores.get(s)
        line += [difference[part] for part in ("value", "low", "high")] if difference else [None] * 3
        line.append(row.reading(s) if difference else None)
    return [*line, row.problem]
