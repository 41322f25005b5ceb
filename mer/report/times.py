"""Time and memory per stage, from the files that Snakemake's `benchmark:` directive leaves.

Layout below `results/benchmarks`: `<stage>/<dataset>[/<variant>]/<subject>.tsv`, `score/<experiment>.tsv` and
`<fit|predict>[_epochs]/<experiment>/seed<k>/<fold>.tsv`. Columns used: `s` wall seconds, `max_rss` MiB, `cpu_time`
seconds.
Snakemake writes `NA` or `-` where a job ended before it was measured.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer.core.errors import ContainerError
from mer.report.inputs import ReportInputs

ORDER = (
    "simulate", "index", "frames", "align", "interpolate", "magnify", "flow", "rois", "fit", "predict", "fit_epochs",
    "predict_epochs", "score",
)  # fmt: skip
SEVERAL = re.compile(r"folds\d+")
FOLD_STAGES = ("fit", "predict", "fit_epochs", "predict_epochs")


@dataclass(frozen=True)
class StageTime:
    """Jobs of one stage on one product or experiment; None where no job was long enough to be measured.

    `wall` and `cpu` are sums in seconds, `memory` the largest resident size of a job in MiB, `unmeasured` the number
    of jobs without a CPU time or memory, `clips` how many clips those jobs wrote (None: not a clip stage).
    """

    stage: str
    what: str
    jobs: int
    wall: float
    cpu: float | None
    memory: float | None
    unmeasured: int
    clips: int | None

    @property
    def cells(self) -> list[str]:
        """All of it as printed, and CPU seconds per clip where every job was measured."""
        each = self.cpu / self.clips if self.cpu is not None and self.clips and not self.unmeasured else None
        clips = "–" if self.clips is None else str(self.clips)
        numbers = [(self.wall, 1), (self.cpu, 1), (each, 2), (self.memory, 0)]
        printed = ["–" if value is None else f"{value:.{digits}f}" for value, digits in numbers]
        return [self.stage, self.what, str(self.jobs), clips, *printed]


def known_jobs(inputs: ReportInputs) -> Callable[[Sequence[str]], bool]:
    """Return whether a benchmark file, by its path below the folder, belongs to the configuration as it is now.

    A results folder keeps the files of experiments, datasets, variants, folds, seeds and subjects that were taken out
    of it.
    """
    runs = {
        (name, path.parent.parent.name, fold)
        for name, one in inputs.experiments.items()
        for path in map(Path, one.predictions)
        # Jobs of several folds are numbered.
        for fold in (path.parent.name, "")
    }
    products = {
        (*product.partition("/")[::2], name, subject)
        for name, dataset in inputs.datasets.items()
        for product, paths in dataset.products.items()
        for subject in paths
    }
    subjects = {(name, subject) for _, _, name, subject in products}

    def known(parts: Sequence[str]) -> bool:
        stage = parts[0]
        if stage in FOLD_STAGES:
            fold = "" if len(parts) > 3 and SEVERAL.fullmatch(parts[3]) else parts[-1]
            return len(parts) > 3 and (parts[1], parts[2], fold) in runs
        if stage == "score":
            return parts[1] in inputs.experiments
        if stage in ("index", "exclusions"):
            return parts[1] in inputs.datasets
        if stage in ("simulate", "frames"):
            return len(parts) == 3 and (parts[1], parts[2]) in subjects
        variant = "/".join(parts[2:-1])
        return (stage, variant, parts[1], parts[-1]) in products

    return known


def stage_times(
    folder: Path, clips: Mapping[tuple[str, str], int], known: Callable[[Sequence[str]], bool] = lambda parts: True
) -> list[StageTime]:
    """Return one row per stage and product or experiment, in the order of the journey.

    Args:
        folder: `results/benchmarks`; an absent folder gives an empty list.
        clips: number of clips written, by (stage, `<dataset>[/<variant>]`).
        known: which files count, by the parts of their path below `folder`.

    Raises:
        ContainerError: a benchmark file lacks its columns.
    """
    groups: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        parts = path.relative_to(folder).with_suffix("").parts
        if len(parts) > 1 and known(parts):
            groups.setdefault((parts[0], _what(parts)), []).append(path)
    rows = [_summary(stage, what, paths, clips.get((stage, what))) for (stage, what), paths in groups.items()]
    place = {stage: index for index, stage in enumerate(ORDER)}
    return sorted(rows, key=lambda row: (place.get(row.stage, len(ORDER)), row.stage, row.what))


def _what(parts: Sequence[str]) -> str:
    if parts[0] in FOLD_STAGES or len(parts) == 2:
        return parts[1]
    return "/".join(parts[1:-1])


def _summary(stage: str, what: str, paths: Sequence[Path], clips: int | None) -> StageTime:
    rows = [row for path in paths for row in _read(path)]
    cpu = [row["cpu_time"] for row in rows if not math.isnan(row["cpu_time"])]
    memory = [row["max_rss"] for row in rows if not math.isnan(row["max_rss"])]
    wall = sum(row["s"] for row in rows if not math.isnan(row["s"]))
    unmeasured = sum(math.isnan(row["cpu_time"]) or math.isnan(row["max_rss"]) for row in rows)
    return StageTime(
        stage, what, len(rows), wall, sum(cpu) if cpu else None, max(memory) if memory else None, unmeasured, clips
    )


def _read(path: Path) -> list[dict[str, float]]:
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    try:
        return [{name: _number(row[name]) for name in ("s", "max_rss", "cpu_time")} for row in rows]
    except (KeyError, ValueError) as error:
        expected = "tab-separated columns s, max_rss and cpu_time"
        raise ContainerError(path, f"unreadable benchmark ({error})", expected, "delete it and run again") from None


def _number(cell: str | None) -> float:
    return math.nan if cell in (None, "", "-", "NA") else float(str(cell))
