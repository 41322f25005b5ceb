"""Folds side by side: processes of one thread that read the same features.

The features lie in files that every process maps, so that they are in memory once. A process is a fresh Python, given
a list of folds; it trains them one after the other and writes their checkpoints itself. Killing the parent ends it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from mer.core import errors
from mer.core.errors import MerError, ModelError
from mer.core.process import short_lived
from mer.provenance import PACKAGE
from mer.training.batched import Shared
from mer.training.fit import FoldJob, Plan, plan, train_fold
from mer.training.gather import Gathered
from mer.training.recipe import Recipe
from mer.training.tables import Row

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
# Freed memory is kept for the next step instead of being given back and cleared again (glibc only).
KEPT = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}


def fit_in_processes(
    own: Plan,
    jobs: Sequence[FoldJob],
    shared: Shared,
    workers: int,
    log: Callable[[str], Callable[[str], None]],
    every: float,
) -> None:
    """Deal the folds to processes and wait for them; raises what the first process to fail has met."""
    with tempfile.TemporaryDirectory(prefix="mer-folds-") as folder:
        names = _write_features(Path(folder), shared)
        children = []
        for number in range(min(workers, len(jobs))):
            given = range(number, len(jobs), min(workers, len(jobs)))
            spec = Path(folder) / f"spec{number}.json"
            spec.write_text(json.dumps(_spec(own, jobs, shared, given, names, every)), encoding="utf-8")
            children.append(_Child(spec, log))
        failed = None
        try:
            for child in children:
                failed = failed or child.wait()
        finally:
            for child in children:
                child.stop()
    if failed is not None:
        raise failed


def _write_features(folder: Path, shared: Shared) -> dict[str, str]:
    features = shared.data.features
    arrays = features if isinstance(features, dict) else {"": features}
    names = {}
    for number, (name, array) in enumerate(arrays.items()):
        names[name] = str(folder / f"features{number}.npy")
        np.save(names[name], array)
    return names


def _spec(
    own: Plan, jobs: Sequence[FoldJob], shared: Shared, given: Sequence[int], names: dict[str, str], every: float
) -> dict[str, Any]:
    folds = []
    for k in given:
        excluded, inputs = shared.told(k)
        folds.append(
            {
                "job": {key: value if value is None else str(value) for key, value in _flat(jobs[k]).items()},
                "held_out": list(jobs[k].held_out),
                "clips": shared.clips(k).tolist(),
                "excluded": [[astuple(row), reason] for row, reason in excluded],
                "inputs": inputs,
            }
        )
    return {
        "plan": [own.model, own.preset, own.recipe.model_dump(mode="json"), own.classes, own.seed, own.device],
        "origin": dict(own.origin),
        "rows": [astuple(row) for row in shared.data.rows],
        "features": names,
        "folds": folds,
        "every": every,
    }


def _flat(job: FoldJob) -> dict[str, Any]:
    return {key: value for key, value in asdict(job).items() if key != "held_out"}


class _Child:
    """A worker process; its lines go to the logs of their folds as they come."""

    def __init__(self, spec: Path, log: Callable[[str], Callable[[str], None]]) -> None:
        environment = {**os.environ, **dict.fromkeys(THREADS, "1"), **KEPT}
        paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        command = [sys.executable, "-m", "mer.training.workers", str(spec)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self._failed: MerError | None = None
        self._trouble = ""
        self._readers = [Thread(target=self._lines, args=(log,)), Thread(target=self._errors)]
        for reader in self._readers:
            reader.start()

    def _lines(self, log: Callable[[str], Callable[[str], None]]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "kind" in message:
                self._failed = getattr(errors, message["kind"])(*message["parts"])
            else:
                log(message["fold"])(message["line"])

    def _errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._trouble = line.strip() or self._trouble

    def wait(self) -> MerError | None:
        """Wait for the end; return what went wrong."""
        status = self._process.wait()
        for reader in self._readers:
            reader.join()
        if status and self._failed is None:
            found = f"a training process ended with status {status} {self._trouble}".strip()
            return ModelError("training", found, remedy="run the same command again: finished folds are kept")
        return self._failed

    def stop(self) -> None:
        """End the process when it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def work(spec: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """Train the folds of a specification; `tell` takes messages for the parent."""
    model, preset, recipe, classes, seed, device = spec["plan"]
    own = plan(model, preset, Recipe.model_validate(recipe), classes, seed, device, "folds", spec["origin"])
    rows = [Row(*values) for values in spec["rows"]]
    mapped = {name: np.load(path, mmap_mode="r") for name, path in spec["features"].items()}
    for fold in spec["folds"]:
        clips = np.array(fold["clips"], dtype=np.int64)
        taken = {name: np.array(array[clips]) for name, array in mapped.items()}
        features = taken[""] if list(taken) == [""] else taken
        excluded = [(Row(*values), reason) for values, reason in fold["excluded"]]
        data = Gathered([rows[i] for i in clips], features, excluded, fold["inputs"])
        given = fold["job"]
        optional = (None if given[name] is None else Path(given[name]) for name in ("resume", "board"))
        table, out = Path(given["train_table"]), Path(given["out"])
        job = FoldJob(given["fold"], tuple(fold["held_out"]), table, out, *optional)

        def say(line: str, name: str = job.fold) -> None:
            tell({"fold": name, "line": line})

        train_fold(own, job, data, say, every=spec["every"])


def _watch_parent() -> None:
    """End this process when the parent, which holds the other end of standard input, is gone."""
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Run as `python -m mer.training.workers <specification>`; messages are lines of JSON on standard output."""

    def tell(message: dict[str, Any]) -> None:
        print(json.dumps(message), flush=True)

    short_lived()
    Thread(target=_watch_parent, daemon=True).start()
    try:
        work(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), tell)
    except MerError as error:
        tell({"kind": type(error).__name__, "parts": [error.where, error.found, error.expected, error.remedy]})
        sys.stdout.flush()
        sys.exit(1)


if __name__ == "__main__":
    main()
