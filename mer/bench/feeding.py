"""`mer bench feeding`: clips per second that the input side supplies, against what a card would consume.

Every published preset of the larger networks, at its batch size, on noise of its size. `host, before` is the peer
(`mer.bench.feeding_peer`). Then `mer.models.feed`: `host, on the card` is the host's work where clips lie on the
device, which is to choose rows and to start the operations that scale them; it is measured on PyTorch's meta device,
which does all but compute. `host, ahead` is the gathering of the next batches by two threads where clips do not fit;
the copy to the card is not in it. `CPU, whole` is what a training on this CPU pays: rows, scaling and augmentation.
What a card consumes follows from the counted operations of a training step. The clips of `ststnet` and `mean` lie on
the device as they always did.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mer.bench.feeding_peer import preparation
from mer.bench.systems import features, systems
from mer.bench.table import BenchRow, column
from mer.core.container import Clip, Container, ContainerWriter
from mer.core.progress import each
from mer.core.registry import lookup
from mer.core.seeds import derive_seed
from mer.models.clip_frames import Frames, read, read_bytes
from mer.models.feed import Feed
from mer.models.learner import FoldData, Inputs, Learner, TrainingSetup
from mer.models.loop import batches
from mer.models.registry import model

TERA = 1e12
#: TFLOP/s that a small and a large card keep up in training.
CARDS = (10, 400)
Log = Callable[[str], None]


@dataclass(frozen=True)
class FeedingRow(BenchRow):
    """One way of supplying one system."""

    system: str = column("system")
    path: str = column("who prepares")
    clips_per_second: float = column("clips/s", "{:.0f}")
    ratio: float = column("times the peer", "{:.1f}")
    small_card: float = column(f"a card of {CARDS[0]} TFLOP/s takes", "{:.0f}")
    large_card: float = column(f"of {CARDS[1]} TFLOP/s", "{:.0f}")


def run_feeding_bench(names: Sequence[str] | None, clips: int, seconds: float, log: Log) -> list[FeedingRow]:
    """Measure every named system; all when None.

    Args:
        names: of `mer.bench.systems.systems`.
        clips: training clips, so many that they do not fit in a cache.
        seconds: that each path is measured for.
        log: takes one line per system.

    Raises:
        ConfigError: no such system.
    """
    published = {name: preset for name, preset in systems().items() if learner_of(name) is not None}
    for name in names or ():
        lookup(published, name, "--models")
    rows: list[FeedingRow] = []
    for name in each(names or [*published], "systems"):
        rows += system_rows(name, published[name], clips, seconds)
        log(f"{name} {published[name]}: measured")
    return [*rows, *reading_rows(seconds)]


def system_rows(name: str, preset_name: str, clips: int, seconds: float) -> list[FeedingRow]:
    """Return the rows of one system's preset."""
    card, learner = model(name, "bench"), learner_of(name)
    assert learner is not None
    preset: Any = card.presets[preset_name]
    data = features(name, preset, clips)
    prepare = preparation(name, preset, data)
    torch.manual_seed(0)
    order = batches(clips, preset.batch_size)
    inputs = prepared(learner, preset, data)
    flops = step_flops(learner, preset, data, card.classes_of(preset_name))
    takes = [tera * TERA / flops for tera in CARDS]
    rates = {"host, before": _rate(lambda batch: prepare(batch.numpy()), order, seconds)}
    for path, place, resident in (
        ("host, on the card", "meta", True),
        ("host, ahead", "cpu", False),
        ("CPU, whole", "cpu", True),
    ):
        with Feed(inputs.x, torch.device(place), resident) as feed:
            setup = setup_of(learner, preset, inputs, feed)
            # What is gathered ahead is scaled on the card: the host's part ends with it.
            take: Callable[[torch.Tensor], object] = partial(setup.given, training=True) if resident else feed
            rates[path] = _rate(take, order, seconds, feed.coming)
    before = rates["host, before"]
    return [FeedingRow(f"{name} {preset_name}", path, rate, rate / before, *takes) for path, rate in rates.items()]


def _rate(
    take: Callable[[torch.Tensor], object],
    order: Sequence[torch.Tensor],
    seconds: float,
    coming: Callable[[Sequence[torch.Tensor]], None] | None = None,
) -> float:
    """Return clips per second over whole epochs, after a first batch that is not counted."""
    take(order[0])
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        if coming is not None:
            coming(order)
        for batch in order:
            take(batch)
            count += len(batch)
    return count / (time.perf_counter() - begun)


def learner_of(name: str) -> Learner | None:
    """Return the learner behind a model of a large network; None for the shallow ones."""
    owner = getattr(model(name, "bench").fit, "__self__", None)
    return owner if isinstance(owner, Learner) else None


def prepared(learner: Learner, preset: Any, data: Any) -> Inputs:
    """Return the inputs of training on noise."""
    first = next(iter(data.values())) if isinstance(data, dict) else data
    count = len(first)
    fold = FoldData(np.arange(count) % 2, np.array([f"p{i % 8}" for i in range(count)]), 0, lambda line: None, None)
    return learner.prepare(data, fold, preset)


def setup_of(learner: Learner, preset: Any, inputs: Inputs, feed: Feed, classes: int = 3) -> TrainingSetup:
    """Return how a network learns, with a network that has no memory."""
    bare = preset.model_copy(update=dict(learner.bare))
    with torch.device("meta"):
        network = learner.build(bare, classes)
    return learner.training_setup(network, inputs, feed, preset)


def step_flops(learner: Learner, preset: Any, data: Any, classes: int) -> float:
    """Return the operations of training on one clip, forward and backward, counted on two clips without memory."""
    from torch.utils.flop_counter import FlopCounterMode

    two = {key: array[:2] for key, array in data.items()} if isinstance(data, dict) else data[:2]
    inputs, counter = prepared(learner, preset, two), FlopCounterMode(display=False)
    with torch.device("meta"):
        network = learner.build(preset.model_copy(update=dict(learner.bare)), classes).train()
    with Feed(inputs.x, torch.device("meta")) as feed:
        given = learner.training_setup(network, inputs, feed, preset).given(torch.arange(2), False)
        with counter:
            made = network(*given)
            (made if isinstance(made, torch.Tensor) else made[0]).sum().backward()
    return counter.get_total_flops() / 2


def reading_rows(seconds: float) -> list[FeedingRow]:
    """Return how fast clips of 30 faces of 224 pixels are read from a container and brought to 128: once per job."""
    rng = np.random.default_rng(derive_seed(0, "bench feeding"))
    with tempfile.TemporaryDirectory(prefix="mer-bench-") as folder:
        path = Path(folder) / "faces.h5"
        with ContainerWriter(path, "interpolate") as out:
            for number in range(4):
                with out.clip(f"c{number}") as clip:
                    smooth = rng.integers(0, 256, (30, 56, 56, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
                    clip.write("frames", smooth)
        at = np.arange(30.0)
        ways: dict[str, Callable[[Clip], np.ndarray]] = {
            "reading, averaged in float64": lambda clip: read(Frames(clip), at, 128),
            "reading, averaged in bytes": lambda clip: read_bytes(Frames(clip), at, 128),
        }
        rates = {}
        for way, taken in ways.items():
            with Container(path) as box:
                clips, count, begun = [box.clip(name) for name in box.clip_ids], 0, time.perf_counter()
                while time.perf_counter() - begun < seconds:
                    taken(clips[count % len(clips)])
                    count += 1
                rates[way] = count / (time.perf_counter() - begun)
    first = next(iter(rates.values()))
    nan = float("nan")
    return [FeedingRow("frames of 224 px", way, rate, rate / first, nan, nan) for way, rate in rates.items()]
