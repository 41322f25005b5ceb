"""Feed the readers of strangers' files with damaged and malicious ones, and say what got through.

`python tests/hostile/campaign.py container xlsx --inputs 100000` is the long form; without names it takes every reader.
Each input is a file that a worker process reads under an audit hook and a limit of memory; a worker that works on one
for ten seconds, or dies, is started again behind it. What an input does that it must not is printed with its seed, and
the file is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mer.bench.measure import process_mib

LIMIT = 10.0  # seconds of work for an input
MEMORY = 2 << 30  # bytes that an input may add to the largest size of the process
ADDRESSES = 8 << 30  # bytes beyond which the system refuses
STARTING = 120.0  # seconds in which a worker imports its libraries
WRITES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.chmod",
    "os.utime",
)
RUNS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.Popen",
    "pty.spawn",
    "ctypes.dlopen",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
REACHES = ("socket.connect", "socket.bind", "urllib.Request")


@dataclass
class Tally:
    """What became of the inputs of one reader: how many were read, refused in a line, or neither, and why."""

    read: int = 0
    refused: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)
    slowest: float = 0.0
    largest: int = 0

    @property
    def inputs(self) -> int:
        return self.read + self.refused + len(self.faults)


def run(
    names: Sequence[str], inputs: int, seed: int = 0, folder: Path | None = None, stop: float = 1e18
) -> dict[str, Tally]:
    """Give every reader `inputs` files and return what became of them.

    Args:
        names: of readers.
        inputs: for each.
        seed: of the first input; the others count up.
        folder: where files at fault are kept; a temporary one that is gone afterwards when None.
        stop: time (`time.time()`) at which no further input is tried.
    """
    with tempfile.TemporaryDirectory() as held:
        place = Path(folder or held)
        place.mkdir(parents=True, exist_ok=True)
        tallies = {name: Tally() for name in names}
        todo = [(name, number) for name in names for number in range(seed, seed + inputs)]
        while todo and time.time() < stop:
            done = _until_trouble(todo, tallies, place, stop)
            todo = todo[done:]
        return tallies


def _until_trouble(todo: list[tuple[str, int]], tallies: dict[str, Tally], place: Path, stop: float) -> int:
    """Work through inputs with one process until it ends or must be ended; return how many are over."""
    names, first = list(dict.fromkeys(name for name, _ in todo)), todo[0]
    counts = Counter(name for name, _ in todo)
    jobs = [
        [name, first[1] if name == first[0] else min(n for m, n in todo if m == name), counts[name]] for name in names
    ]
    worker = subprocess.Popen(
        [sys.executable, __file__, "--worker", json.dumps(jobs), str(place)],
        stdout=subprocess.PIPE,
        stderr=(place / "worker.err").open("ab"),
        # Without a buffer, in which a line would lie that `select` does not know of.
        bufsize=0,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert worker.stdout is not None
    done, patience, begun = 0, STARTING, False
    try:
        while done < len(todo):
            line = _line(worker, patience)
            if not line and not begun:
                raise RuntimeError(f"no worker starts: see {place / 'worker.err'}")
            if not line:
                how = (
                    f"ended with status {worker.poll()}"
                    if worker.poll() is not None
                    else f"silent for {patience:.0f} s"
                )
                _blame(todo[done], tallies, place, how)
                return done + 1
            told = json.loads(line)
            patience = STARTING if "begins" in told else LIMIT
            begun = begun or "fault" in told or "ready" in told
            if "fault" not in told:
                continue
            _count(tallies[todo[done][0]], todo[done], told)
            done += 1
            if time.time() > stop:
                return len(todo)
        return done
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()


def _line(worker: subprocess.Popen[bytes], patience: float) -> bytes:
    """Return the next line of a worker; b"" where it ended, worked for `patience` seconds or waited far longer."""
    assert worker.stdout is not None
    begun, worked = time.monotonic(), _cpu(worker.pid)
    while time.monotonic() - begun < 30 * patience and _cpu(worker.pid) - worked < patience:
        if select.select([worker.stdout], [], [], 0.5)[0]:
            line = worker.stdout.readline()
            if not line:
                worker.wait()
            return line
    return b""


def _cpu(process: int) -> float:
    """Return the seconds that a process has worked; on a busy machine that is less than has passed."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _count(tally: Tally, case: tuple[str, int], told: dict[str, Any]) -> None:
    tally.slowest = max(tally.slowest, told["seconds"])
    tally.largest = max(tally.largest, told["grown"])
    if told["fault"]:
        tally.faults.append({"reader": case[0], "seed": case[1], "fault": told["fault"], "file": told["file"]})
    elif told["refused"]:
        tally.refused += 1
    else:
        tally.read += 1


def _blame(case: tuple[str, int], tallies: dict[str, Tally], place: Path, how: str) -> None:
    kept = next((path for path in (place / "in").glob(f"{case[0]}-{case[1]}.*")), None)
    if kept is not None:
        (place / "faults").mkdir(exist_ok=True)
        kept.replace(place / "faults" / kept.name)
    tallies[case[0]].faults.append(
        {"reader": case[0], "seed": case[1], "fault": how, "file": kept.name if kept else ""}
    )


def _work(jobs: list[list[Any]], place: Path) -> None:
    """Read the inputs of `jobs` one by one, and print what became of each: one line of JSON."""
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    import warnings

    import hostile_files
    from hostile_readers import READERS
    from mutations import mutated

    from mer.core.errors import MerError

    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    watch = _Watch(place)
    for name, start, count in jobs:
        out.write('{"begins": 1}\n')
        reader = READERS[name]
        good = place / "good" / name
        good.mkdir(parents=True, exist_ok=True)
        (place / "in").mkdir(exist_ok=True)
        files = reader.good(good)
        for path in files:
            reader.read(path)
        data = [path.read_bytes() for path in files]
        made = hostile_files.FILES.get(name, ())
        resource.setrlimit(resource.RLIMIT_AS, (_size() + ADDRESSES, resource.RLIM_INFINITY))
        out.write('{"ready": 1}\n')
        for seed in range(start, start + count):
            path = _input(place / "in", name, seed, files, data, made, reader, mutated)
            before, begun = _reset_peak(), time.process_time()
            fault, refused = "", False
            with watch:
                try:
                    reader.read(path)
                except MerError as error:
                    refused = True
                    line = str(error)
                    if "\n" in line or not line.isprintable() or len(line) > 3000:
                        fault = f"not one plain line: {line[:200]!r}"
                except BaseException as error:
                    fault = f"{type(error).__name__}: {str(error)[:200]} at {_place(error)}"
            fault = watch.seen() or fault
            grown = _peak() - before
            if not fault and grown > MEMORY:
                fault = f"{grown >> 20} MiB of memory"
            if fault and path.exists():
                (place / "faults").mkdir(exist_ok=True)
                path.replace(place / "faults" / path.name)
            path.unlink(missing_ok=True)
            told = {"fault": fault, "refused": refused, "seconds": time.process_time() - begun, "grown": grown}
            out.write(json.dumps({**told, "file": path.name}) + "\n")


def _input(
    folder: Path, name: str, seed: int, files: list[Path], data: list[bytes], made: Any, reader: Any, mutated: Any
) -> Path:
    """Write input number `seed`: the hostile files that were thought of first, then changed good ones."""
    if seed < len(made):
        return made[seed](folder / f"{name}-{seed}")
    at = seed % len(files)
    path = folder / f"{name}-{seed}{files[at].suffix}"
    path.write_bytes(reader.finish(mutated(data[at], data, reader.kind, seed)))
    return path


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


def _peak() -> int:
    return int(process_mib("VmHWM") * 2**20)


def _reset_peak() -> int:
    """Forget what earlier inputs took, which would hide what the next one takes; return what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _size() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


class _Watch:
    """Sees what Python is asked to do while a file is read: run something, reach out, write elsewhere."""

    def __init__(self, place: Path) -> None:
        self._place, self._on, self._seen = str(place.resolve()), False, list[str]()
        sys.addaudithook(self._hook)

    def __enter__(self) -> None:
        self._on = True

    def __exit__(self, *_: object) -> None:
        self._on = False

    def seen(self) -> str:
        """Return what was seen since the last time."""
        told, self._seen = "; ".join(self._seen), []
        return told

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event in RUNS or event in REACHES:
            self._seen.append(f"{event} {given!r:.100}")
        elif event == "pickle.find_class":
            self._seen.append(f"unpickles {given!r:.100}")
        elif event in WRITES or (event == "open" and isinstance(given[2], int) and given[2] & WRITING):
            self._outside(event, given[0])

    def _outside(self, event: str, path: object) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            where = os.path.realpath(os.fsdecode(path))
            if not where.startswith((self._place, "/dev/")) and "__pycache__" not in where:
                self._seen.append(f"{event} {where}")


def table(tallies: dict[str, Tally]) -> Iterator[str]:
    """Yield the lines of a table of what became of the inputs."""
    yield "| reader | inputs | read | refused in one line | faults | slowest, s | most memory added, MiB |"
    yield "|---|---|---|---|---|---|---|"
    for name, one in tallies.items():
        counts = f"{one.inputs:,} | {one.read:,} | {one.refused:,} | {len(one.faults):,}"
        yield f"| {name} | {counts} | {one.slowest:.1f} | {one.largest >> 20} |"


def main() -> int:
    """Run what is asked for; status 1 when something got through."""
    if "--worker" in sys.argv:
        _work(json.loads(sys.argv[2]), Path(sys.argv[3]))
        return 0
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    from hostile_readers import READERS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", default=[], help=f"of {', '.join(READERS)}")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="after which no further input is tried")
    parser.add_argument("--faults", type=Path, default=Path("faults"), help="folder of the files that got through")
    asked = parser.parse_args()
    tallies = run(
        asked.readers or list(READERS), asked.inputs, asked.seed, asked.faults, time.time() + 60 * asked.minutes
    )
    print(*table(tallies), sep="\n")
    kinds = Counter(f"{one['reader']}: {one['fault']}" for tally in tallies.values() for one in tally.faults)
    first = {f"{one['reader']}: {one['fault']}": one["file"] for t in tallies.values() for one in reversed(t.faults)}
    for kind, count in kinds.most_common(40):
        print(f"{count} × {kind} ({first[kind]})")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
