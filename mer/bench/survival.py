"""`mer bench survival`: whole runs, killed at random moments and started again, against one that was left alone.

A run and all its jobs are a process group of their own, and the group gets SIGKILL: nothing can be tidied up. The same
command is then given again. What ends is compared file by file with the results of the uninterrupted run, byte for
byte: every container, table, checkpoint and simulated picture. What measures time is left out: logs, benchmarks, and
the page, which shows them and is named in the list of digests beside it.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mer.bench.table import BenchRow, column
from mer.core.errors import MerError
from mer.core.on_disk import ENDING
from mer.core.only_run import GOING, LOCK
from mer.core.progress import bar
from mer.core.run_plan import FILE as PLAN
from mer.provenance import PACKAGE

RESULTS = "results"
LOCALLY = ("--resources", "gpu=1")
TIMED = ("logs", "benchmarks")
# The page, and the list of digests that has the page's.
SHOWING = (Path("report/index.html"), Path("report/digests.json"))
STAMPED = (LOCK, GOING, PLAN)  # besides the stamps of files in a database, which stand beside products
# From pictures to a report: simulation, index, two stages, folds trained in epochs, scores, report.
SMALLEST: dict[str, Any] = yaml.safe_load("""
seed: 0
datasets:
  simulated:
    reader: casme2
    simulate: {layout: casme2, subjects: 3, clips: 3, shortest: 0.11, longest: 0.16, width: 320, height: 240}
align:
  face: {method: dlib, size: 96}
flow:
  apex: {from: align/face, method: dis, pairs: onset_apex}
experiments:
  ststnet:
    model: ststnet
    data: [simulated]
    view: emotion_3
    protocol: loso
    inputs: {motion: flow/apex}
    train: {epochs: 3}
bootstrap: 200
report: {clips: 1}
""")


@dataclass(frozen=True)
class SurvivalRow(BenchRow):
    """One run: how often it was killed, how long after each start, and how many of its files differ in the end."""

    run: int = column("run")
    kills: int = column("kills")
    moments: str = column("killed after, s")
    seconds: float = column("seconds in all", "{:.0f}")
    compared: int = column("files compared")
    differ: int = column("that differ")


class WholeRun:
    """A run of the workflow in a folder of its own, by the documented command.

    Args:
        folder: where it is started; holds `config.yaml`.
        cores: of the run.
        code: the folder of the Snakefile.
        options: more of the command.

    `environment` is laid over that of this process, and `umask` (-1: as it is) over its umask.
    """

    def __init__(
        self,
        folder: Path,
        cores: int = 2,
        code: Path = PACKAGE.parent,
        options: Sequence[str] = LOCALLY,
    ) -> None:
        self.folder, self.code, self.output = folder, code, folder / "run.log"
        self.environment: Mapping[str, str] = {}
        self.umask = -1
        self.command = [sys.executable, "-m", "snakemake", "--snakefile", str(code / "Snakefile"), "--nocolor"]
        self.command += ["--cores", str(cores), *options]

    def killed_after(self, seconds: float, begun: bool = False) -> bool:
        """Start it and kill it and its jobs after so long; return False when it had ended before, and well.

        Args:
            seconds: until the kill.
            begun: count them from when its first job is chosen, not from the start.

        Raises:
            MerError: it ended by itself with an error.
        """
        with self.output.open("wb") as output:
            path = os.pathsep.join(filter(None, (str(self.code), os.environ.get("PYTHONPATH"))))
            process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **self.environment, "PYTHONPATH": path},
                umask=self.umask,
            )
        try:
            while begun and process.poll() is None and b"Select jobs" not in self.output.read_bytes():
                time.sleep(0.02)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        finally:
            _kill_group(process)
        if process.returncode != 0:
            said = [line for line in self.output.read_text(errors="replace").splitlines() if line.strip()]
            found = f"the run ended with status {process.returncode}: {' | '.join(said[-3:])}"
            raise MerError(self.folder, found, "a run that goes on where it was killed", f"see {self.output}")
        return False

    def finish(self) -> None:
        """Start it and wait for its end; raises as `killed_after`."""
        self.killed_after(24 * 3600)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started, and wait until nothing of it is left."""
    try:
        while True:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(0.01)
    except ProcessLookupError:
        return


def files_of(results: Path) -> dict[str, str]:
    """Return the digest of every file of results that does not measure time, by its path below them."""
    found = {}
    for path in sorted(results.rglob("*")):
        below = path.relative_to(results)
        timed = below.parts[0] in TIMED or below in SHOWING or below.name in STAMPED or below.name.endswith(ENDING)
        if path.is_file() and not timed:
            with path.open("rb") as handle:
                found[below.as_posix()] = hashlib.file_digest(handle, "sha256").hexdigest()
    return found


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return one line for every file that is missing, is too many, or has other bytes."""
    missing, more = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    other = sorted(name for name in set(expected) & set(found) if expected[name] != found[name])
    return [f"{why}: {name}" for why, names in zip(WHYS, (missing, more, other), strict=True) for name in names]


WHYS = ("missing", "not of the run that was left alone", "other bytes")


def run_survival_bench(
    configuration: Mapping[str, Any], kills: int, seed: int, cores: int, folder: Path | None, log: Callable[[str], None]
) -> tuple[list[SurvivalRow], list[str]]:
    """Kill runs of a configuration until there were so many kills; return a row for each run, and all differences.

    After every start the kill comes at a moment drawn evenly between none and a quarter of the time of the
    uninterrupted run; a run that ends before is compared, and the next one begins anew.

    Args:
        configuration: as `config.yaml` has it; its results go below `folder`.
        kills: at least 1.
        seed: of the moments.
        cores: of each run.
        folder: where the runs are kept; none are when None.
        log: takes a line for each thing done.

    Raises:
        MerError: a run ended by itself with an error.
    """
    with tempfile.TemporaryDirectory(prefix="mer-survival-") as temporary, bar("kills") as update:
        place, rng = (folder or Path(temporary)).resolve(), random.Random(seed)
        started = time.monotonic()
        run = new_run(place / "alone", configuration, cores)
        run.finish()
        length = time.monotonic() - started
        expected = files_of(run.folder / RESULTS)
        log(f"left alone: {length:.0f} s, {len(expected)} files")
        rows: list[SurvivalRow] = []
        lines: list[str] = []
        while (left := kills - sum(row.kills for row in rows)) > 0:
            update(kills - left, kills)
            number = len(rows) + 1
            run, started = new_run(place / f"killed{number}", configuration, cores), time.monotonic()
            moments = _kill(run, left, lambda: rng.uniform(0, length / 4), log)
            found = files_of(run.folder / RESULTS)
            differing = differences(expected, found)
            lines += [f"run {number}: {line}" for line in differing]
            told = " ".join(f"{moment:.1f}" for moment in moments)
            seconds = time.monotonic() - started
            rows.append(SurvivalRow(number, len(moments), told, seconds, len(expected), len(differing)))
            log(f"run {number}: {len(moments)} kills, {len(differing)} files differ")
        return rows, lines


def new_run(folder: Path, configuration: Mapping[str, Any], cores: int, *options: str) -> WholeRun:
    """Return a run of a configuration in a new folder, with other options than the documented ones if any are given.

    Raises:
        MerError: the folder exists.
    """
    if folder.exists():
        raise MerError(folder, "exists already", "a new folder", "name another one with --keep, or remove it")
    folder.mkdir(parents=True)
    text = yaml.safe_dump({**configuration, "results": RESULTS}, sort_keys=False, allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return WholeRun(folder, cores, options=options or LOCALLY)


def _kill(run: WholeRun, most: int, draw: Callable[[], float], said: Callable[[str], None]) -> Sequence[float]:
    """Kill a run at most so often, until it ends; return the seconds between each start and the kill."""
    moments: list[float] = []
    while len(moments) < most:
        moment = draw()
        if not run.killed_after(moment):
            return moments
        moments.append(moment)
        said(f"killed {moment:.1f} s after start {len(moments)}")
    run.finish()
    return moments
