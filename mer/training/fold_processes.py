"""Folds side by side: processes of one thread that read the same features.

The features lie in files that every process maps, so that they are in memory once. A process trains one fold after the
other and writes their checkpoints itself. Killing the parent ends it.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Lock
from pathlib import Path
from threading import Thread

import numpy as np

from mer.core.errors import ModelError
from mer.core.plugins import entries, plug_in
from mer.core.process import processes
from mer.models.clip_array import ClipArray
from mer.models.state import by_name, from_names
from mer.training.closed_files import closed
from mer.training.experiment import Experiment
from mer.training.fit import train_fold
from mer.training.fold_tables import Row
from mer.training.gather import Gathered
from mer.training.separation import FoldJob
from mer.training.shared_clips import SharedClips

# What a process must find in its environment when it starts: one thread, and memory that is kept for the next step
# instead of being given back and cleared again (glibc only).
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
KEPT = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}


@dataclass(frozen=True)
class Common:
    """What every process is given once: the experiment, rows, files of their features, who hears it, plug-ins, and the
    folders in which it reads nothing but its table.
    """

    experiment: Experiment
    rows: Sequence[Row]
    features: Mapping[str, Path]
    every: float
    lines: Connection
    speaking: Lock
    plugins: tuple[str, ...]
    folders: Sequence[Path]


def fit_in_processes(
    experiment: Experiment,
    jobs: Sequence[FoldJob],
    shared: SharedClips,
    workers: int,
    log: Callable[[str], Callable[[str], None]],
    every: float = 60.0,
    folders: Sequence[Path] = (),
) -> None:
    """Train the folds in processes (`mer.core.process`) and wait for them; raises what the first to fail has met.

    `folders`: where a fold reads nothing but its own table (`mer.training.closed_files`).
    """
    context = multiprocessing.get_context("spawn")
    listening, lines = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="mer-folds-") as folder:
        files = _write_features(Path(folder), shared)
        common = Common(experiment, shared.data.rows, files, every, lines, context.Lock(), entries(), folders)
        listener = Thread(target=_pass_on, args=(listening, log))
        try:
            with processes(min(workers, len(jobs)), _keep, common) as pool:
                with _environment({**dict.fromkeys(THREADS, "1"), **KEPT}):
                    parts = [(job, shared.clips(k), *shared.told(k)) for k, job in enumerate(jobs)]
                    folds = [pool.submit(_train, *part) for part in parts]
                # Only the processes hold the other end now: the listener stops when the last of them has ended.
                lines.close()
                listener.start()
                wait(folds, return_when=FIRST_EXCEPTION)
                pool.shutdown(cancel_futures=True)
            for fold in folds:
                if not fold.cancelled():
                    fold.result()
        except BrokenProcessPool:
            found = "a training process ended before its fold did"
            raise ModelError("training", found, remedy="run the same command again: finished folds are kept") from None
        finally:
            lines.close()
            if listener.ident is not None:
                listener.join()
            listening.close()


def _write_features(folder: Path, shared: SharedClips) -> dict[str, Path]:
    files = {}
    for number, (name, array) in enumerate(by_name(shared.data.features).items()):
        files[name] = folder / f"features{number}.npy"
        mapped = np.lib.format.open_memmap(files[name], "w+", array.dtype, array.shape)
        for clip in range(len(array)):
            mapped[clip] = array[clip]
        mapped.flush()
    return files


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _pass_on(listening: Connection, log: Callable[[str], Callable[[str], None]]) -> None:
    """Bring the lines of the processes to the logs of their folds as they come."""
    try:
        while True:
            fold, line = listening.recv()
            log(fold)(line)
    except (EOFError, OSError):
        return


#: What the folds of this process have in common; put here when it starts.
_COMMON: list[Common] = []


def _keep(common: Common) -> None:
    plug_in(common.plugins, "plugins")
    _COMMON.append(common)


def _train(
    job: FoldJob, clips: np.ndarray, excluded: list[tuple[Row, str]], inputs: dict[str, dict[str, object]]
) -> None:
    """Train one fold in this process, on the clips that its train table names."""
    (common,) = _COMMON
    # Copied when written, which nothing does: PyTorch warns of arrays that must not be.
    mapped = {name: np.load(path, mmap_mode="c") for name, path in common.features.items()}
    features = from_names({name: ClipArray(array, clips) for name, array in mapped.items()})

    def say(line: str) -> None:
        with common.speaking:
            common.lines.send((job.fold, line))

    data = Gathered([common.rows[i] for i in clips], features, excluded, inputs)
    with closed(common.folders, [job.train_table]):
        train_fold(common.experiment, job, data, say, every=common.every, keeps_end=True)
