"""`mer bench systems`: what training every system at its published preset costs, and how long its full LOSO would take.

Clips are noise of the size that the preset reads; what a step costs does not depend on what they show. The ratio is to
float32 on the same device in the same run.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import numpy as np

from mer.bench.table import BenchRow, column
from mer.bench.training import peak_mib
from mer.core.progress import each
from mer.core.registry import lookup
from mer.core.seeds import derive_seed
from mer.models.registry import MODELS, model
from mer.models.state import Features

# The size of the composite of CASME II, SAMM and SMIC, and of its leave-one-subject-out protocol.
CLIPS, FOLDS = 442, 68
#: The program of the driver.
NVIDIA_SMI = "nvidia-smi"


@dataclass(frozen=True)
class SystemRow(BenchRow):
    """One system in one precision.

    Attributes:
        model: its name.
        preset: what was trained.
        precision: what was asked for, `float32` or `bf16`; on a GPU the second is mixed precision.
        computed: what the training says it computed in.
        epoch_seconds: wall time of an epoch over the measured clips.
        clips_per_second: training clips seen in a second.
        fold_epochs_per_second: epochs of one fold of the composite in a second.
        ratio: how many times faster than float32.
        utilisation: mean share of the time in which the GPU computed, per cent; None on a CPU.
        peak_mib: memory of the process, or on a GPU that of the device.
        loso_hours: of all 68 folds with the preset's epochs, one after the other.
    """

    model: str = column("system")
    preset: str = column("preset")
    precision: str = column("asked")
    computed: str = column("computed")
    epoch_seconds: float = column("s/epoch", "{:.2f}")
    clips_per_second: float = column("clips/s", "{:.1f}")
    fold_epochs_per_second: float = column("fold-epochs/s", "{:.4f}")
    ratio: float = column("speed", "{:.2f}×")
    utilisation: float | None = column("GPU %", "{:.0f}")
    peak_mib: float = column("peak MiB", "{:.0f}")
    loso_hours: float = column("LOSO hours", "{:.1f}")


def systems() -> dict[str, str]:
    """Return the systems that can be measured and the published preset of each."""
    cards = {name: model(name, "bench") for name in MODELS}
    return {name: card.published for name, card in cards.items() if card.published is not None}


def features(name: str, preset: Any, count: int) -> Features:
    """Return `count` clips of noise as the model's `features` would stack them, in memory once."""
    rng = np.random.default_rng(derive_seed(0, "bench systems", name))
    noise = model(name, "bench").noise
    assert noise is not None, "a model with a published preset says what its noise is"

    def draw(*shape: int, kind: type[np.generic] = np.float32) -> np.ndarray:
        made = np.empty((count, *shape), kind)
        for clip in made:
            clip[:] = rng.integers(0, 256, shape) if kind is np.uint8 else rng.random(shape, np.float32)
        return made

    return noise(preset, draw)


def run_system_bench(
    names: Sequence[str] | None,
    preset: str | None,
    count: int,
    epochs: int,
    device: str,
    log: Callable[[str], None],
) -> list[SystemRow]:
    """Train each model for some epochs in float32 and in bf16, each in a process of its own.

    Args:
        names: of `systems`; all when None.
        preset: of all of them; the published one of each when None.
        count: training clips.
        epochs: measured epochs, after one that is not counted.
        device: `cpu` or `cuda`.
        log: takes one line per row.

    Raises:
        ConfigError: no such system, one without that preset, or `device` cannot be used here.
    """
    from mer.models.loop import place_of

    published = systems()
    for name in names or ():
        lookup(published, name, "--models")
        if preset is not None:
            lookup(dict.fromkeys(model(name, "--models").presets, ""), preset, "--preset")
    place_of(device)
    rows: list[SystemRow] = []
    for name in each(names or [*published], "systems"):
        chosen, slowest = preset or published[name], None
        for precision in ("float32", "bf16"):
            given = {"name": name, "preset": chosen, "precision": precision, "count": count}
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                made = pool.apply(measure, kwds={**given, "epochs": epochs, "device": device})
            slowest = slowest or made["seconds"]
            rows.append(_row(name, chosen, precision, count, made, slowest))
            log(f"{name} {chosen} {precision}: {made['seconds']:.2f} s an epoch of {count} clips")
    return rows


def _row(name: str, preset: str, precision: str, count: int, made: dict[str, Any], slowest: float) -> SystemRow:
    speed = count / made["seconds"]
    of_fold = speed / (CLIPS * (FOLDS - 1) / FOLDS)
    hours = FOLDS * made["budget"] / of_fold / 3600
    told = made["computed"], made["seconds"], speed, of_fold, slowest / made["seconds"], made["utilisation"]
    return SystemRow(name, preset, precision, *told, made["mib"], hours)


def measure(name: str, preset: str, precision: str, count: int, epochs: int, device: str) -> dict[str, Any]:
    """Train in this process and return the median seconds of an epoch, and what else `SystemRow` needs."""
    import torch

    from mer.models.loop import watching
    from mer.models.surroundings import surrounded
    from mer.training.fit_session import Session

    card = model(name, "bench")
    whole = card.presets[preset].model_dump()["epochs"]
    classes = card.classes_of(preset)
    labels, groups = np.arange(count) % classes, np.array([f"p{i % 8}" for i in range(count)])
    around = Session(precision=precision)  # type: ignore[arg-type]
    ends: list[float] = []

    def watch(epoch: int, total: int, network: Any) -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        ends.append(time.perf_counter())

    chosen = card.presets[preset].model_copy(update={"epochs": epochs + 1})
    data = features(name, chosen, count)
    coded = {"units": [(1, 4)] * count} if "fit" in card.units else {}
    with surrounded(around), watching(watch), _Utilisation(device) as busy:
        card.fit(data, labels, groups, classes, chosen, 0, lambda line: None, device, **coded)
    mib = peak_mib(resource.RUSAGE_SELF)
    if device == "cuda":
        mib = torch.cuda.max_memory_allocated() / 2**20
    seconds = float(np.median(np.diff(ends)))
    told = {"seconds": seconds, "computed": around.used, "budget": whole, "mib": mib}
    return {**told, "utilisation": busy.mean()}


class _Utilisation:
    """Ask the driver several times a second how busy the GPU is; nothing where it cannot be asked."""

    def __init__(self, device: str) -> None:
        self._shares: list[float] = []
        self._ended = Event()
        asked = device == "cuda" and shutil.which(NVIDIA_SMI) is not None
        self._thread = Thread(target=self._ask) if asked else None

    def __enter__(self) -> _Utilisation:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _ask(self) -> None:
        query = [NVIDIA_SMI, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._ended.wait(0.3):
            told = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
            self._shares += [float(told[0])] if told else []

    def mean(self) -> float | None:
        """Return the mean share, per cent; None when nothing was asked."""
        return float(np.mean(self._shares)) if self._shares else None
