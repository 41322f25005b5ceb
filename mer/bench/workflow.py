"""`mer bench workflow`: what planning a configuration over very many clips costs, and a run with nothing to do.

The rows of the configuration's databases are multiplied to so many clips of so many people, and the workflow's own
Snakefile is run over them: a dry run, whose jobs are counted, and, once every planned file stands there (of one byte)
with Snakemake's record of it, a run that finds nothing to do. No picture is made and no job is run.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mer.bench.table import BenchRow, column
from mer.core.errors import ConfigError, MerError
from mer.core.sample import by_subject
from mer.datasets.reading import Reading
from mer.provenance import PACKAGE

# Around the workflow's own: every database is read as it is and multiplied. A run begins by putting files where its
# jobs would have (of one byte: Snakemake digests empty ones, and no containers) with its records, and goes no further.
SNAKEFILE = """
import os
from pathlib import Path

from mer.bench.workflow import multiplied, parts
from mer.planning.catalog import Catalog

_read = Catalog._read
Catalog._read = lambda self, name: multiplied(
    _read(self, name), *parts({clips}, {subjects}, list(self.config.datasets).index(name), len(self.config.datasets))
)


include: {include!r}


async def pretend(jobs, persistence):
    for path in (Path(path) for job in jobs for path in job.output):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b".")
        os.utime(path, (1_000_000_000, 1_000_000_000))
    for job in jobs:
        await persistence.finished(job)


onstart:
    record_plan(CONFIG.results, model_names(PLANS))
    workflow.async_run(pretend([job for job in workflow.dag.jobs if job.output], workflow.persistence))
    os._exit(0)
"""


@dataclass(frozen=True)
class WorkflowRow(BenchRow):
    """One kind of run: its jobs, its seconds on the clock and on the processor, and the peak of its memory."""

    run: str = column("run")
    clips: int = column("clips")
    subjects: int = column("subjects")
    jobs: int = column("jobs")
    seconds: float = column("seconds", "{:.1f}")
    cpu_seconds: float = column("CPU s", "{:.1f}")
    peak_mib: float = column("peak MiB", "{:.0f}")


def parts(clips: int, subjects: int, number: int, databases: int) -> tuple[int, int]:
    """Return how many of all clips and subjects one of so many databases has: as even as can be."""
    return clips // databases + (number < clips % databases), subjects // databases + (number < subjects % databases)


def multiplied(reading: Reading, clips: int, subjects: int) -> Reading:
    """Return a reading of so many usable clips of so many people, each a copy of one that is there under a new name.

    Args:
        reading: of a database with a usable clip.
        clips: at least as many as people; these have as many each, give or take one.
        subjects: at least 1.
    """
    people = list(by_subject([row for row in reading.samples if row.status == "ok"]).values())
    samples = []
    for person in range(subjects):
        rows, (own, _) = people[person % len(people)], parts(clips, subjects, person, subjects)
        for number in range(own):
            row, name = rows[number % len(rows)], f"p{person:05}"
            group, clip = f"{row.group.split(':')[0]}:{name}", f"{row.dataset}-{name}-{number:04}"
            samples.append(dataclasses.replace(row, subject=name, group=group, sample_id=clip, video_id=clip))
    return dataclasses.replace(reading, samples=samples)


def together(configuration: Mapping[str, Any], folds: int, persons: int) -> dict[str, Any]:
    """Return a configuration with so many folds and persons a job; 0 leaves what it says."""
    changed, blocks = dict(configuration), configuration.get("experiments") or {}
    if folds:
        changed["experiments"] = {name: {**block, "folds_per_job": folds} for name, block in blocks.items()}
    return {**changed, "subjects_per_job": persons} if persons else changed


def run_workflow_bench(
    configuration: Mapping[str, Any], clips: int, subjects: int, log: Callable[[str], None]
) -> list[WorkflowRow]:
    """Measure a dry run and a run with nothing to do.

    Args:
        configuration: as `config.yaml` has it; its databases are multiplied.
        clips: of all databases together, at least as many as people.
        subjects: of all databases together, at least two for each.
        log: takes a line for each thing done.

    Raises:
        ConfigError: more people than clips, or less than two for a database.
        MerError: the workflow refuses the configuration.
    """
    least = 2 * len(configuration.get("datasets") or [None])
    if not least <= subjects <= clips:
        raise ConfigError("mer bench workflow", f"{subjects} subjects, {clips} clips", f"{least} <= subjects <= clips")
    with tempfile.TemporaryDirectory(prefix="mer-workflow-") as temporary:
        folder = Path(temporary)
        text = {**configuration, "results": "results"}
        (folder / "config.yaml").write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
        snakefile = SNAKEFILE.format(clips=clips, subjects=subjects, include=str(PACKAGE.parent / "Snakefile"))
        (folder / "Snakefile").write_text(snakefile, encoding="utf-8")
        # With these two, Snakemake stops where its first job would begin.
        planning = _measured(folder, "planning", ("--dry-run", "--quiet", "rules", "progress"))
        log("planned; every file that the jobs would write is put there with a record")
        listed = _measured(folder, "pretending", ("--max-checksum-file-size", "0")).output
        jobs = int(next(iter(re.findall(r"^total +(\d+)$", listed, re.MULTILINE)), 0))
        idle = _measured(folder, "nothing to do", ())
        if "Nothing to be done" not in idle.output:
            raise MerError(
                folder, f"jobs are left: {idle.said()}", "nothing to be done", "report it: the bench is wrong"
            )
        return [
            WorkflowRow(one.run, clips, subjects, jobs if one is planning else 0, *one.cost) for one in (planning, idle)
        ]


@dataclass(frozen=True)
class _Measured:
    run: str
    output: str
    cost: tuple[float, float, float]

    def said(self) -> str:
        return " | ".join(line.strip() for line in self.output.splitlines()[-3:])


def _measured(folder: Path, run: str, arguments: tuple[str, ...]) -> _Measured:
    """Run Snakemake in a folder; raises `MerError` with its last lines when it fails."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "all",
        "--cores",
        "1",
        "--resources",
        "gpu=1",
        "--nocolor",
        *arguments,
    ]
    command += ["--workflow-profile", str(PACKAGE.parent / "profiles" / "default")]
    path = os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH"))))
    output, started = folder / "output.txt", time.monotonic()
    with output.open("wb") as handle:
        process = subprocess.Popen(
            command, cwd=folder, stdout=handle, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": path}
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    cost = time.monotonic() - started, used.ru_utime + used.ru_stime, peak
    done = _Measured(run, output.read_text(encoding="utf-8", errors="replace"), cost)
    if process.returncode:
        found = f"{run} ended with status {process.returncode}: {done.said()}"
        raise MerError(folder, found, "a configuration that can be planned", "see `snakemake --dry-run`")
    return done
