"""What a finished run cost besides its work, from the benchmark files of its jobs.

A benchmark file holds the seconds of its job, from the start of its process to the end, and was written when that
ended: together they tell when each job ran. Of a job's seconds, those of starting Python and importing what the job's
script imports, before any of its work, are measured here, on this machine. What is left of the run, while fewer jobs
ran than at its busiest, passed between jobs: in Snakemake, or waiting for a job that others need.
"""

from __future__ import annotations

import ast
import csv
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

from mer.bench.table import BenchRow, column
from mer.core.errors import DatasetError
from mer.core.seal import why_unreadable
from mer.provenance import PACKAGE
from mer.spotting.task import SPOTTING
from mer.stages.registry import STAGES
from mer.training.task import ORACLE_EPOCHS, RECOGNITION

SCRIPTS = PACKAGE.parent / "workflow" / "scripts"
#: By the folder of a rule's benchmarks: the script of its jobs, and what this imports when it knows its task.
STARTS = {**dict.fromkeys(STAGES, ("stage", "mer.stages.run")), "simulate": ("simulate_subject", "mer.simulate")}
STARTS |= {name: (name, "mer.core") for name in ("features", "spot_name")}
STARTS |= {
    step.rule: (script, step.module)
    for task in (RECOGNITION, ORACLE_EPOCHS, SPOTTING)
    for script, step in (("fit", task.fit), ("predict", task.predict), ("score", task.score))
    if step is not None
}
#: A stretch in which no job runs for longer than so many seconds lies between two runs.
BETWEEN_RUNS = 60.0


@dataclass(frozen=True)
class OverheadRow(BenchRow):
    """The jobs of one rule: seconds a job, how many of them go by before its work, and shares of the run."""

    rule: str = column("rule")
    jobs: int = column("jobs")
    job_seconds: float = column("s a job", "{:.2f}")
    start_seconds: float = column("of them start", "{:.2f}")
    work_seconds: float = column("work, s", "{:.0f}")
    overhead_seconds: float = column("overhead, s", "{:.0f}")
    share: float = column("overhead, % of the run", "{:.1f}")


@dataclass(frozen=True)
class Job:
    """One job: its rule, when it began and ended (seconds since 1970)."""

    rule: str
    began: float
    ended: float


def jobs_of(results: Path) -> list[Job]:
    """Return the jobs of a run that have a benchmark file.

    Raises:
        DatasetError: there is none, or one is not what Snakemake writes.
    """
    jobs = []
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        rule = path.relative_to(results / "benchmarks").parts[0]
        try:
            with path.open(encoding="utf-8", newline="") as handle:
                seconds = [float(row["s"]) for row in csv.DictReader(handle, delimiter="\t")]
            if not seconds:
                raise ValueError
        except OSError as error:
            found, remedy = why_unreadable(error)
            raise DatasetError(path, found, "a file of Snakemake's", remedy) from None
        except (KeyError, TypeError, ValueError):
            raise DatasetError(path, "is no benchmark", "a file of Snakemake's", "remove it") from None
        ended = path.stat().st_mtime
        jobs.append(Job(rule, ended - sum(seconds), ended))
    if not jobs:
        raise DatasetError(results, "holds no benchmarks", "the results of a run", "name the folder of `results`")
    return jobs


def stretches(jobs: list[Job]) -> Iterator[tuple[float, int]]:
    """Yield seconds and how many jobs ran in them, from the first job to the last, without what lies between runs."""
    changes = sorted([(job.began, 1) for job in jobs] + [(job.ended, -1) for job in jobs])
    running = 0
    for (moment, change), (following, _) in pairwise(changes):
        running += change
        if running or following - moment <= BETWEEN_RUNS:
            yield following - moment, running


def start_seconds(script: str, module: str, tries: int = 3) -> float:
    """Return the seconds that a Python process takes for all imports of a workflow script, and a module; the median."""
    tree = ast.parse((SCRIPTS / f"{script}.py").read_text(encoding="utf-8"))
    lines = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    lines.append(f"import {module}")
    seconds = []
    for _ in range(tries):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=PACKAGE.parent, check=True)
        seconds.append(time.monotonic() - started)
    return median(seconds)


def overhead(results: Path, starts: Callable[[str, str], float] = start_seconds) -> list[OverheadRow]:
    """Return a row for every rule of a finished run, one for what passed between jobs, and one for all.

    Args:
        results: folder of the run, copied, if at all, with the times of its files.
        starts: gives the seconds that a script takes to start, and a module with it.

    Raises:
        DatasetError: it has no benchmarks.
    """
    jobs = jobs_of(results)
    by_rule: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        by_rule[job.rule].append(job.ended - job.began)
    found = list(stretches(jobs))
    slots = max(running for _, running in found)
    whole = slots * sum(seconds for seconds, _ in found)
    starting, rows = cache(starts), []
    for rule, seconds in by_rule.items():
        start = starting(*STARTS[rule]) if rule in STARTS else 0.0
        # A job cannot have started for longer than it took, whatever this machine takes.
        lost = sum(min(start, one) for one in seconds)
        work, mean = sum(seconds) - lost, sum(seconds) / len(seconds)
        rows.append(OverheadRow(rule, len(seconds), mean, lost / len(seconds), work, lost, 100 * lost / whole))
    idle = whole - sum(map(sum, by_rule.values()))
    nan = float("nan")
    rows.append(OverheadRow(f"between jobs, {slots} at a time", 0, nan, nan, 0, idle, 100 * idle / whole))
    work, lost = sum(row.work_seconds for row in rows), sum(row.overhead_seconds for row in rows)
    rows.append(OverheadRow("all", len(jobs), (whole - idle) / len(jobs), nan, work, lost, 100 * lost / whole))
    return rows
