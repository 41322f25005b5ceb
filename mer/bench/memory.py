"""What a model's card says of memory: `python -m mer.bench.memory` measures it again.

Every preset is trained for two epochs of one batch, in float32 and in bf16 on a CPU, each in a process of its own. What
its peak is above the process before it, less the clips, is the memory of a step; the workflow asks for it (`mem_mb`,
`mer.models.memory`). Clips are noise of the size that the preset reads (`noise` of its card). Linux only: elsewhere
no process tells of itself what it holds now.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from mer.bench.measure import process_mib
from mer.bench.systems import features
from mer.core.errors import ModelError
from mer.core.process import processes
from mer.models.contract import Footprint
from mer.models.listing import parameters
from mer.models.registry import MODELS, model
from mer.models.state import by_name


def measured(name: str, preset: str, precision: str) -> tuple[float, float, float]:
    """Train in this process; return what it held before the clips, at most without them, and what is learned, MiB."""
    import torch

    from mer.models import loop
    from mer.models.surroundings import surrounded
    from mer.training.fit_session import Session

    torch.set_num_threads(1)
    card = model(name, "bench")
    chosen = card.presets[preset].model_copy(update={"epochs": 2})
    classes, size = card.classes_of(preset), int(chosen.model_dump()["batch_size"])
    # What is imported and set up when a network is first used belongs to the process, not to the step.
    with loop.reproducible(0, "cpu"):
        torch.nn.Conv2d(1, 1, 3)(torch.zeros(1, 1, 4, 4)).sum().backward()
    before = process_mib("VmRSS")
    data = features(name, chosen, size)
    labels, groups = np.arange(size) % classes, np.array([f"p{i % 4}" for i in range(size)])
    coded = {"units": [(1, 4)] * size} if "fit" in card.units else {}
    # A loss that is no longer finite has taken its memory all the same.
    with surrounded(Session(precision=precision)), suppress(ModelError):  # type: ignore[arg-type]
        card.fit(data, labels, groups, classes, chosen, 0, lambda line: None, "cpu", **coded)
    clips = sum(array.nbytes for array in by_name(data).values()) / 2**20
    # Weight, gradient and two moments of four bytes each.
    learned = (parameters(card, card.presets[preset], classes) or 0) * 16 / 2**20
    return before, process_mib("VmHWM") - clips, learned


def footprint(name: str, preset: str) -> Footprint:
    """Return what the card should say: the larger of both precisions."""
    above, learned = [], 0.0
    for precision in ("float32", "bf16"):
        with processes(1) as pool:
            before, peak, learned = pool.submit(measured, name, preset, precision).result()
        print(f"# {name} {preset} {precision}: {before:.0f} MiB before, {peak:.0f} MiB at most", flush=True)
        above.append(peak - before)
    return Footprint(int(np.ceil(learned)), int(np.ceil(max(0.0, max(above) - learned))))


def footprints(names: Sequence[str]) -> Iterator[tuple[str, str, Footprint]]:
    """Measure every preset of the named models that are trained in epochs."""
    for name in names:
        card = model(name, "bench")
        for preset in card.presets if card.in_epochs else ():
            yield name, preset, footprint(name, preset)


def main() -> None:
    """Print the footprints as the cards have them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS), help="names of `mer models`; all when none is given")
    for name, preset, found in footprints(parser.parse_args().models):
        print(f'{name}: "{preset}": Footprint({found.learned}, {found.step}),', flush=True)


if __name__ == "__main__":
    main()
