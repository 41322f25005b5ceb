"""The page: sections in order, put into the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from mer.report import answer
from mer.report.cd6me import UnitTable, cd6me_block
from mer.report.charts import Interval, bar_chart, interval_chart
from mer.report.clips import clips_block
from mer.report.data import Dataset, dataset_block
from mer.report.details import experiment_block
from mer.report.inputs import ReportInputs, sources_of
from mer.report.markup import Markup, escape, folded, join, missing, table, tag
from mer.report.origin import ProductRecord, provenance_block
from mer.report.scores import Comparison, Experiment, Score, Twin, warnings
from mer.report.spotting import Spotting, spotting_section
from mer.report.tables import comparison_table, score_table, twin_table
from mer.report.times import StageTime

HOW_TO_READ = (
    "Scores are pooled: every clip is predicted once, while its subject is held out, and one score is computed from "
    "all predictions. Intervals are 95 % percentile intervals of a bootstrap that resamples whole subjects within each "
    "dataset and, where there are several, the seeds; with one seed they do not cover the luck of training. Random UF1 "
    "is the level below which 97.5 % of random orders of the true labels stay."
)
MEAN_OF_FOLDS = (
    "Mean of folds is what several public codes print instead: F1 of each fold, averaged over folds, once over the "
    "classes present in the fold and once over all classes. It depends on how clips fall into folds, is not UF1, and "
    "is shown only for comparison with such papers."
)
COMMON_SCALE = (
    "Flow and strain have one colour scale per product and dataset, so that the clips shown can be compared. Frames "
    "are counted from 0 within a product."
)
PAIRED = (
    "Paired: both experiments are scored on the same resampled subjects. Of a grey difference the interval contains 0: "
    "it does not say which experiment is better. The intervals are not widened for the number of pairs, {} here: of "
    "twenty pairs without any difference, one is expected to stand out."
)
PERMUTED = (
    "The same experiment with the labels shuffled within each database before anything is split. Nothing is left to "
    "learn, so the score has to lie within the chance band: the central 95 % of what the run's own predictions reach "
    "against labels in random order. p is the share of orders that score at least as much."
)
SHOWN_PAIRS = 10


@dataclass(frozen=True)
class Content:
    """Everything the page shows, read and computed."""

    inputs: ReportInputs
    experiments: Sequence[Experiment]
    scores: Sequence[Score]
    comparisons: Sequence[Comparison]
    twins: Sequence[Twin]
    units: Sequence[UnitTable]
    datasets: Sequence[Dataset]
    records: Mapping[str, Sequence[ProductRecord]]
    times: Sequence[StageTime]
    spotting: Sequence[Spotting] = ()

    @property
    def pooled(self) -> list[Score]:
        """The pooled score of each experiment."""
        return [score for score in self.scores if score.dataset is None]


def render(content: Content) -> str:
    """Return the page as HTML text."""
    sections = {
        "Scores": scores_section(content),
        "Experiments": join(map(experiment_block, content.experiments)) or missing("No experiment is configured."),
        **({"Spotting": spotting_section(content.spotting)} if content.spotting else {}),
        "Clips": clips_section(content),
        "Time": times_section(content.times),
        "Data": join(map(dataset_block, content.datasets)),
        "Provenance": provenance_block(content.datasets, content.records, content.inputs.config),
    }
    blocks = [tag("section", tag("h2", name), body, id=name.lower()) for name, body in sections.items()]
    package = files("mer.report")
    return Template(package.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(answer.title(content.pooled)),
        style=package.joinpath("page.css").read_text(encoding="utf-8"),
        lead=tag("div", *map(_answer, content.pooled), class_="answers"),
        links=join(tag("a", name, href=f"#{name.lower()}") for name in sections),
        sections=join(blocks, "\n"),
    )


def _answer(score: Score) -> Markup:
    flags = [tag("p", flag, class_="warning") for flag in warnings(score)]
    return join([tag("p", answer.sentence(score)), *flags])


def scores_section(content: Content) -> Markup:
    """Return the interval chart, the score table and the comparisons."""
    if not content.scores:
        return missing("No experiment was scored.")
    chart = interval_chart([_interval(score) for score in content.scores], "UF1")
    parts = [chart, tag("p", "Shaded: the central 95 % of what random labels reach.", class_="grey")]
    parts += [score_table(content.scores), tag("p", HOW_TO_READ, class_="grey"), tag("p", MEAN_OF_FOLDS, class_="grey")]
    if content.comparisons:
        compared = comparison_table(content.comparisons)
        short = len(content.comparisons) <= SHOWN_PAIRS
        parts += [tag("h3", "Differences between experiments"), compared if short else folded("Every pair", compared)]
        parts.append(tag("p", PAIRED.format(len(content.comparisons)), class_="grey"))
    if content.twins:
        parts += [tag("h3", "Permuted labels"), twin_table(content.twins), tag("p", PERMUTED, class_="grey")]
    return join([*parts, cd6me_block(content.units)])


def _interval(score: Score) -> Interval:
    label = score.experiment.name if score.dataset is None else f"{score.experiment.name}, {score.dataset}"
    level = score.chance["uf1"]
    return Interval(label, score.value["uf1"], score.low["uf1"], score.high["uf1"], level["low"], level["high"])


def clips_section(content: Content) -> Markup:
    """Return the pictures of every dataset."""
    inputs, blocks = content.inputs, []
    for dataset in content.datasets:
        sources = sources_of(inputs.config, list(dataset.inputs.products))
        block = (inputs.config.get("datasets") or {}).get(dataset.name) or {}
        simulated = bool(block.get("simulate"))
        blocks.append(clips_block(dataset, content.records[dataset.name], sources, inputs.clips, simulated))
    return join([tag("p", COMMON_SCALE, class_="grey"), *blocks])


def times_section(times: Sequence[StageTime]) -> Markup:
    """Return the bar chart and the table of times."""
    if not times:
        return missing("No benchmark files are there, so no times can be shown.")
    bars = [(f"{row.stage} {row.what}", row.cpu, f"{row.cpu:.1f} s") for row in times if row.cpu is not None]
    head = ["stage", "product or experiment", "jobs", "clips", "wall s", "CPU s", "CPU s per clip", "peak MiB"]
    rows = [_time_row(row) for row in times]
    unmeasured = sum(row.unmeasured for row in times)
    note = (
        f"CPU seconds are summed over jobs, peak memory is that of the largest job. {unmeasured} of "
        f"{sum(row.jobs for row in times)} jobs ended before Snakemake had measured them and are left out of both."
    )
    chart = join([tag("h3", "CPU seconds per stage"), bar_chart(bars, "CPU seconds")]) if bars else None
    return join([chart, table(head, rows, numbers=range(2, 8)), tag("p", note, class_="grey")])


def _time_row(row: StageTime) -> list[str]:
    each = f"{row.cpu / row.clips:.2f}" if row.cpu is not None and row.clips and not row.unmeasured else "–"
    return [
        row.stage, row.what, str(row.jobs), "–" if row.clips is None else str(row.clips), f"{row.wall:.1f}",
        "–" if row.cpu is None else f"{row.cpu:.1f}", each,
        "–" if row.memory is None else f"{row.memory:.0f}",
    ]  # fmt: skip
