"""`mer bench cluster`: runs through `profiles/slurm`, disturbed as clusters disturb them, against an undisturbed one.

It wants the cluster of one machine that `scripts/one_node_slurm.sh start` begins, and whose daemons it kills. Every
fault is a run in a folder of its own, with the products of the undisturbed run, so that training, predictions, scores
and report are left to do; or with nothing (`whole`). It must go on by itself, or after the same command was given
again, and end with the same files, byte for byte (`mer.bench.survival`).
"""

from __future__ import annotations

import copy
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from mer.bench import survival
from mer.bench.survival import RESULTS, WholeRun, differences, files_of, new_run
from mer.bench.table import BenchRow, column
from mer.core.errors import ConfigError, MerError
from mer.core.progress import each
from mer.provenance import PACKAGE

SCRIPT = PACKAGE.parent / "scripts" / "one_node_slurm.sh"
#: So many starts of one run may end with a job that failed too often.
STARTS = 4
#: Seconds for a fault to find what it disturbs, and for the cluster to notice it.
PATIENCE = 900.0
#: What becomes of a job that nobody disturbs.
ORDINARY = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "COMPLETED"}
# States are asked for often, as jobs are short.
PROFILE = ("--profile", str(PACKAGE.parent / "profiles" / "slurm"), "--slurm-init-seconds-before-status-checks", "3")
#: Smaller still than what survives being killed: a submission starts three processes of Snakemake.
SMALLEST: dict[str, Any] = copy.deepcopy(survival.SMALLEST)
SMALLEST["datasets"]["simulated"]["simulate"]["subjects"] = 2
#: A first attempt that asks for less than the training takes: MiB, minutes.
TOO_LITTLE = {"memory": "mem_mb=300 if attempt == 1 else 2500", "time": "runtime=1 if attempt == 1 else 60"}


@dataclass(frozen=True)
class ClusterRow(BenchRow):
    """One run: what was done to it, what SLURM said of its jobs, and how many of its files differ in the end."""

    fault: str = column("fault")
    submissions: int = column("submissions")
    states: str = column("ended by SLURM")
    starts: int = column("starts of the run")
    seconds: float = column("seconds", "{:.0f}")
    compared: int = column("files compared")
    differ: int = column("that differ")


def command(*words: str, patience: float = 60.0) -> str:
    """Run a command of SLURM and return what it says; nothing where it fails, as when no controller runs."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""


class Cluster:
    """The cluster of one machine, by its folder of pid files, and the states that its jobs were seen in."""

    def __init__(self) -> None:
        self.folder = Path(os.environ.get("MER_SLURM", ""))
        if not (self.folder / "slurmd.pid").exists():
            remedy = 'eval "$(scripts/one_node_slurm.sh start)"'
            raise ConfigError("MER_SLURM", "names no cluster of one machine", "one that was started here", remedy)
        self.seen: dict[int, set[str]] = {}
        self.first = max(self.look(), default=0) + 1

    def look(self) -> dict[int, str]:
        """Return the state of every job that SLURM knows, ended ones included, and remember it."""
        lines = command("squeue", "--noheader", "--states=all", "--format=%A %T").splitlines()
        states = {int(number): state for number, state in (line.split() for line in lines)}
        for number, state in states.items():
            self.seen.setdefault(number, set()).add(state)
        return states

    def processes(self, job: int | None = None) -> Iterator[int]:
        """Yield the processes of a job, of every job of this cluster when None, without SLURM's own."""
        wanted = b"SLURM_JOB_ID=" + (b"" if job is None else b"%d\0" % job)
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                told = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
                if wanted in told and b"MER_SLURM=" + os.fsencode(self.folder) + b"\0" in told:
                    yield int(entry.name)

    def kill(self, daemon: str) -> None:
        """Kill a daemon, with the node's every process that belongs to a job."""
        _signal(int((self.folder / f"{daemon}.pid").read_text()), signal.SIGKILL)
        if daemon == "slurmd":
            computing = set(self.processes())
            keepers = {parent for process in computing for parent in _parents(process, b"slurmstepd")}
            for process in keepers | computing:
                _signal(process, signal.SIGKILL)

    def begin(self, daemon: str) -> None:
        """Begin a daemon again."""
        subprocess.run([str(SCRIPT), daemon], check=True, stdout=subprocess.DEVNULL)


def _parents(process: int, title: bytes) -> Iterator[int]:
    """Yield the processes above one whose title begins so."""
    with suppress(OSError):
        while process > 1:
            status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
            process = int(status.split("PPid:")[1].split()[0])
            if Path(f"/proc/{process}/cmdline").read_bytes().startswith(title):
                yield process


def _signal(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def waiting(until: Callable[[], Any], ended: Event) -> Any:
    """Return what `until` returns once that is true; nothing when the run has ended or patience has."""
    last = time.monotonic() + PATIENCE
    while not ended.is_set() and time.monotonic() < last:
        if found := until():
            return found
        time.sleep(0.5)
    return None


def _running(cluster: Cluster, training: bool = False) -> int | None:
    """Return a job that computes, of a training if that is asked for."""
    computing = [number for number, state in cluster.look().items() if number >= cluster.first and state == "RUNNING"]
    for number in computing:
        for process in cluster.processes(number):
            with suppress(OSError):
                told = Path(f"/proc/{process}/cmdline").read_bytes()
                if b"scripts/" in told and (not training or b"fit.py" in told):
                    return number
    return None


def nothing(cluster: Cluster, ended: Event) -> None:
    """Disturb nothing."""


def hang(cluster: Cluster, ended: Event) -> None:
    """Stop every process of a training, so that its minute goes by."""
    if (job := waiting(lambda: _running(cluster, training=True), ended)) is not None:
        for process in list(cluster.processes(job)):
            _signal(process, signal.SIGSTOP)


def lose_node(cluster: Cluster, ended: Event) -> None:
    """Kill all of the node, as a power cut does, while a job computes; begin it again once the cluster has seen it."""
    if waiting(lambda: _running(cluster), ended) is not None:
        cluster.kill("slurmd")
        waiting(lambda: "down" in command("sinfo", "--noheader", "--format=%t"), ended)
        cluster.begin("slurmd")


def cancel(cluster: Cluster, ended: Event) -> None:
    """Cancel every job of the run while one computes."""
    if waiting(lambda: _running(cluster), ended) is not None:
        command("scancel", *[str(number) for number in cluster.look() if number >= cluster.first])


def restart_controller(cluster: Cluster, ended: Event, seconds: float = 20.0) -> None:
    """Kill the controller while a job computes, and begin it again after a while."""
    if waiting(lambda: _running(cluster), ended) is not None:
        cluster.kill("slurmctld")
        time.sleep(seconds)
        cluster.begin("slurmctld")


FAULTS: Mapping[str, tuple[Callable[[Cluster, Event], None], str]] = {
    "memory": (nothing, "a training that asks for too little memory"),
    "time": (hang, "a training that hangs past its time"),
    "node": (lose_node, "a node that loses power and comes back"),
    "scancel": (cancel, "scancel of all jobs in the middle"),
    "controller": (restart_controller, "the controller killed, away for 20 s"),
}


def run_cluster_bench(
    configuration: Mapping[str, Any],
    faults: Sequence[str],
    folder: Path | None,
    log: Callable[[str], None],
    whole: bool = False,
) -> tuple[list[ClusterRow], list[str]]:
    """Run a configuration undisturbed and once with every fault; return a row for each, and all differences.

    Args:
        configuration: as `config.yaml` has it, with an experiment `ststnet`; its results go below `folder`.
        faults: names of `FAULTS`.
        folder: where the runs are kept; none are when None. On a disk that all nodes see.
        log: takes a line for each thing done.
        whole: disturb whole runs, not those that have their products.

    Raises:
        ConfigError: no cluster of one machine runs, or a fault is not known.
        MerError: a run ended with an error at each of its starts.
    """
    unknown = [name for name in faults if name not in FAULTS]
    if unknown:
        raise ConfigError("--fault", f"{unknown[0]!r} is not known", f"some of {', '.join(FAULTS)}")
    with tempfile.TemporaryDirectory(prefix="mer-cluster-") as temporary:
        place = (folder or Path(temporary)).resolve()
        alone = new_run(place / "alone", configuration, 1, *PROFILE)
        rows = [_disturbed(alone, "nothing", nothing, {}, log)]
        expected, lines = files_of(alone.folder / RESULTS), list[str]()
        for name in each(faults, "faults"):
            disturb, _ = FAULTS[name]
            more = ("--set-resources", f"fit_ststnet_0:{TOO_LITTLE[name]}") if name in TOO_LITTLE else ()
            run = new_run(place / name, configuration, 1, *PROFILE, *more)
            if not whole:
                _begin_with_products(alone.folder, run.folder)
            rows.append(_disturbed(run, name, disturb, expected, log))
            lines += [f"{name}: {line}" for line in differences(expected, files_of(run.folder / RESULTS))]
        return rows, lines


def _begin_with_products(alone: Path, folder: Path) -> None:
    """Copy a run and what Snakemake knows of it, all but what its experiments made."""
    left = shutil.ignore_patterns("experiments", "report", "slurm_logs", "log", "run.log", "fit", "predict", "score")
    shutil.copytree(alone, folder, dirs_exist_ok=True, ignore=left)


def _disturbed(
    run: WholeRun,
    name: str,
    disturb: Callable[[Cluster, Event], None],
    expected: Mapping[str, str],
    log: Callable[[str], None],
) -> ClusterRow:
    cluster, ended, started = Cluster(), Event(), time.monotonic()
    threads = [Thread(target=disturb, args=(cluster, ended)), Thread(target=_look_on, args=(cluster, ended))]
    for thread in threads:
        thread.start()
    try:
        starts = _finish(run, log)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    cluster.look()
    jobs = {number: states for number, states in cluster.seen.items() if number >= cluster.first}
    ends = [state for states in jobs.values() for state in states - ORDINARY]
    told = ", ".join(f"{state} {ends.count(state)}" for state in sorted(set(ends))) or "none"
    found = files_of(run.folder / RESULTS)
    differ = len(differences(expected or found, found))
    row = ClusterRow(name, len(jobs), told, starts, time.monotonic() - started, len(found), differ)
    log(f"{name}: {len(jobs)} submissions, ended by SLURM: {told}; {starts} starts, {differ} files differ")
    return row


def _look_on(cluster: Cluster, ended: Event) -> None:
    while not ended.wait(1.0):
        cluster.look()


def _finish(run: WholeRun, log: Callable[[str], None]) -> int:
    """Start a run until it ends well; return how often."""
    for start in range(1, STARTS):
        try:
            run.finish()
            return start
        except MerError as error:
            log(f"start {start}: {error}; the same command again")
    run.finish()
    return STARTS
