"""Simulated clips in the products that a model reads: two persons, filmed, aligned and taken through the stages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mer.core.container import Clip, Container
from mer.core.errors import ConfigError
from mer.core.sample import Sample, media_row
from mer.datasets.registry import reader
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout
from mer.stages.run import StageSpec, run_subject

FILMED = {"layout": "casme2", "subjects": 2, "clips": 3, "width": 200, "height": 150, "fps": 100.0}
FILMED |= {"shortest": 0.06, "longest": 0.08, "quirks": False}
FRAMES = StageSpec("frames", "", "list", {})
ALIGNED = StageSpec("align", "", "dlib", {"size": 64, "upsample": 1})
FLOW = StageSpec("flow", "", "dis", {"pairs": "onset_apex"})
#: Arrays that a model asks for -> the steps to a product that has them, the most telling array first.
CHAINS: dict[str, tuple[StageSpec, ...]] = {
    "alphas": (FRAMES, ALIGNED, StageSpec("magnify", "", "lagrangian", {"alphas": [2.0, 4.0]})),
    "patches": (FRAMES, ALIGNED, FLOW, StageSpec("rois", "", "au_boxes", {"size": 14})),
    "flow": (FRAMES, ALIGNED, FLOW),
    "strain": (FRAMES, ALIGNED, FLOW),
    "frames": (FRAMES, ALIGNED),
    "landmarks": (FRAMES, ALIGNED),
}


@dataclass(frozen=True)
class Simulated:
    """Clips of a model's inputs, with what is known of each.

    Attributes:
        clips: each in all inputs.
        labels: class of each, from 0.
        groups: person of each.
    """

    clips: Sequence[Mapping[str, Clip]]
    labels: Sequence[int]
    groups: Sequence[str]


def chain_for(name: str, arrays: Sequence[str]) -> tuple[StageSpec, ...]:
    """Return the steps to a product that has the arrays of an input.

    Raises:
        ConfigError: no product of simulated clips has them.
    """
    chosen = next((steps for key, steps in CHAINS.items() if key in arrays), None)
    if chosen is None:
        found = f"reads {', '.join(arrays) or 'no array'}"
        remedy = "name arrays of docs/architecture.md, or give `--config` with an experiment of the model"
        raise ConfigError(f"input {name}", found, f"one of {', '.join(CHAINS)}", remedy)
    return chosen


@contextmanager
def simulated(inputs: Mapping[str, Sequence[StageSpec]]) -> Iterator[Simulated]:
    """Yield simulated clips in the last product of each chain; their files are removed afterwards.

    Args:
        inputs: the steps to each input, the first of them `FRAMES`.
    """
    params = SimulateParams.model_validate(FILMED)
    with TemporaryDirectory(prefix="mer-check-") as folder, ExitStack() as stack:
        work = Path(folder)
        rows = _filmed(params, work)
        named = {name: stack.enter_context(Container(_product(steps, rows, work))) for name, steps in inputs.items()}
        usable = [row for row in rows if all(row.sample_id in box.clip_ids for box in named.values())]
        classes = sorted({row.emotion_raw for row in usable})
        yield Simulated(
            [{name: box.clip(row.sample_id) for name, box in named.items()} for row in usable],
            [classes.index(row.emotion_raw) for row in usable],
            [row.group for row in usable],
        )


def filmed_source(folder: Path) -> tuple[dict[str, Any], Path]:
    """Film one person into a folder; return the row of a clip of hers and the product `frames`, which `align` reads."""
    rows = _filmed(SimulateParams.model_validate({**FILMED, "subjects": 1, "clips": 1}), folder)
    return media_row(rows[0]), _product([FRAMES], rows[:1], folder)


def _filmed(params: SimulateParams, work: Path) -> list[Sample]:
    """Render the database below `work`, and return its usable rows."""
    writer, chosen = layout(params.layout), reader(layout(params.layout).reader)
    deque(writer.write(params, work), maxlen=0)
    return [row for row in chosen.read(work, chosen.options()).samples if row.status == "ok"]


def _product(steps: Sequence[StageSpec], rows: Sequence[Sample], work: Path) -> Path:
    source: Path | None = None
    for number, step in enumerate(steps):
        told = "".join(f"{one.stage}{one.method}{sorted(one.params.items())}" for one in steps[: number + 1])
        out = work / f"{hash(told):x}.h5"
        if not out.exists():
            run_subject(step, [media_row(row) for row in rows], out, source, work, log=lambda line: None)
        source = out
    assert source is not None
    return source
