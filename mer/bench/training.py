"""`mer bench training`: leave-one-subject-out training against a plain loop, one fold at a time.

The peer (`mer.bench.training_peer`) trains one fold after the other in float32 with a `DataLoader`. Measured against it
are the folds of `mer.training.many_folds` in processes of one thread, from train tables to checkpoints, the start of
the processes included. Clips are noise with a faint pattern of their class, as large and as many as those of the
composite of CASME II, SAMM and SMIC; both sides have the same budget, batches and losses.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.bench.table import BenchRow, column
from mer.core.process import processes
from mer.core.progress import each
from mer.core.seeds import derive_seed
from mer.models import registry

CLASSES = ("negative", "positive", "surprise")
SIDES = {"ststnet": 28, "mean": 42}
PERSONS = 68
PRESET = "clean"


@dataclass(frozen=True)
class TrainingRow(BenchRow):
    """One line: how long the folds took, and how many times faster than the peer that was.

    Attributes:
        method: who trained.
        wall_seconds: from start to end; depends on what else the machine does.
        cpu_seconds: of all processes and threads together.
        wall_ratio: the peer's better wall-clock time, of one or several threads, by this one's.
        cpu_ratio: the peer's CPU time, on one thread, by this one's.
        peak_mib: memory of all processes together, as the sum of their peaks.
        accuracy: share of held-out clips that are right.
    """

    method: str = column("method")
    wall_seconds: float = column("wall s", "{:.1f}")
    cpu_seconds: float = column("CPU s", "{:.1f}")
    wall_ratio: float = column("wall", "{:.2f}×")
    cpu_ratio: float = column("CPU", "{:.2f}×")
    peak_mib: float = column("peak MiB", "{:.0f}")
    accuracy: float = column("right", "{:.3f}")


def clips(model: str, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (N, 3, S, S) float32, labels (N,) int64 of three classes and the person of each clip (N,) str."""
    rng, side = np.random.default_rng(derive_seed(0, "bench training", model)), SIDES[model]
    images = rng.standard_normal((count, 3, side, side)).astype(np.float32)
    labels = rng.integers(0, 3, count)
    third = side // 3
    for k in range(3):
        images[labels == k, :, k * third : (k + 1) * third] += 0.1
    return images, labels, np.array([f"bench:p{i % PERSONS:02d}" for i in range(count)])


def run_training_bench(
    model: str, folds: int, epochs: int, count: int, workers: int, device: str, log: Callable[[str], None]
) -> list[TrainingRow]:
    """Train `folds` leave-one-subject-out folds with every method, each in a process of its own.

    Args:
        model: `ststnet` or `mean`.
        folds: how many of the 68 persons are held out in turn.
        epochs: passes over the training clips.
        count: clips of all persons together.
        workers: processes of the measured training, and threads of the peer where it has several.
        device: `cpu`, or `cuda`, where the peer trains one fold at a time on the same GPU.
        log: takes one line per method.

    Raises:
        ConfigError: `device` cannot be used here.
    """
    from mer.models.loop import place_of

    place_of(device)
    methods: list[tuple[str, Callable[..., dict[str, float]], dict[str, Any]]] = [
        ("plain loop, 1 thread", peer, {"threads": 1}),
        (f"plain loop, {workers} threads", peer, {"threads": workers}),
        (f"mer, {workers} processes", ours, {}),
    ]
    if device == "cuda":
        methods = [("plain loop on the GPU", peer, {"threads": 1}), ("mer, folds together", ours, {})]
    made: list[dict[str, float]] = []
    for name, task, options in each(methods, "ways to train"):
        given = {"model": model, "folds": folds, "epochs": epochs, "count": count, "workers": workers, **options}
        given["device"] = device
        with processes(1) as pool:
            made.append(pool.submit(task, **given).result())
        log(f"{name}: {made[-1]['wall']:.1f} s, {made[-1]['cpu']:.1f} CPU-s")
    single, best = made[0]["cpu"], min(one["wall"] for one in made[:-1])
    return [
        TrainingRow(name, one["wall"], one["cpu"], best / one["wall"], single / one["cpu"], one["mib"], one["accuracy"])
        for (name, _, _), one in zip(methods, made, strict=True)
    ]


def peer(
    model: str, folds: int, epochs: int, count: int, workers: int, threads: int, device: str = "cpu"
) -> dict[str, float]:
    """Train with the plain loop in this process."""
    import torch

    from mer.bench.training_peer import train_folds

    torch.set_num_threads(threads)
    images, labels, groups = clips(model, count)
    persons = sorted(set(groups.tolist()))[:folds]
    settings = registry.model(model, "bench").presets[PRESET].model_dump()
    train_folds(model, images, labels, groups, persons[:1], 1, settings, device)
    begun = time.perf_counter(), time.process_time()
    logits = train_folds(model, images, labels, groups, persons, epochs, settings, device)
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    right = [(made.argmax(1) == labels[groups == person]) for made, person in zip(logits, persons, strict=True)]
    accuracy = float(np.concatenate(right).mean())
    return {"wall": wall, "cpu": cpu, "mib": peak_mib(resource.RUSAGE_SELF), "accuracy": accuracy}


def ours(model: str, folds: int, epochs: int, count: int, workers: int, device: str = "cpu") -> dict[str, float]:
    """Train with `mer.training` from this process: in processes on a CPU, folds together on a GPU."""
    from mer.training.checkpoint import load_checkpoint
    from mer.training.experiment import checked
    from mer.training.fold_processes import fit_in_processes
    from mer.training.fold_tables import Row, training_rows, write_table
    from mer.training.gather import Gathered
    from mer.training.many_folds import fit_on_gpu
    from mer.training.recipe import Recipe
    from mer.training.separation import FoldJob
    from mer.training.shared_clips import SharedClips

    images, labels, groups = clips(model, count)
    rows = [
        Row(f"c{i:05d}", "bench", group, group, CLASSES[label], f"bench/{group}")
        for i, (group, label) in enumerate(zip(groups.tolist(), labels.tolist(), strict=True))
    ]
    persons = sorted(set(groups.tolist()))[:folds]
    with tempfile.TemporaryDirectory(prefix="mer-bench-") as folder:
        jobs = []
        for person in persons:
            place = Path(folder) / person.replace(":", "-")
            write_table(place / "train.csv", [row for row in rows if row.group != person])
            jobs.append(FoldJob(place.name, (person,), place / "train.csv", place / "model.safetensors"))
        recipe = Recipe(epochs=epochs)
        common = checked(model, PRESET, recipe, CLASSES, 0, device=device)
        begun = time.perf_counter(), _cpu()
        tables = tuple(tuple(training_rows(job.train_table, job.held_out, CLASSES)) for job in jobs)
        shared = SharedClips(Gathered(rows, images, []), tables)
        if device == "cuda":
            fit_on_gpu(common, jobs, shared, lambda fold: _quiet)
        else:
            fit_in_processes(common, jobs, shared, workers, lambda fold: _quiet, 60.0)
        wall, cpu = time.perf_counter() - begun[0], _cpu() - begun[1]
        right = []
        for job, person in zip(jobs, persons, strict=True):
            scores = common.card.predict(load_checkpoint(job.out)[0], images[groups == person])
            right.append(scores.argmax(1) == labels[groups == person])
    mib = peak_mib(resource.RUSAGE_SELF) + min(workers, folds) * peak_mib(resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": cpu, "mib": mib, "accuracy": float(np.concatenate(right).mean())}


def _cpu() -> float:
    """Return the CPU-seconds of this process and of its children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def peak_mib(whose: int) -> float:
    """Return the peak memory of this process, or of the largest of its children."""
    return resource.getrusage(whose).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def _quiet(line: str) -> None:
    """Take a line of a fold's log."""
