"""What `mer models` prints: every system and preset with its size, its inputs and where it comes from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb
from typing import Any

from mer.core.registry import load
from mer.models.registry import CLASSES, INPUTS, MODELS, PRESETS, SOURCES

COLUMNS = ("model", "preset", "parameters", "inputs", "source")


@dataclass(frozen=True)
class Entry:
    """One preset. `parameters` counts what a fold trains, and running statistics where the source counts them.

    `classes` is the number of classes of the count: the published one, else three. `inputs` names the arrays that each
    input's product must have.
    """

    model: str
    preset: str
    parameters: int
    classes: int
    inputs: dict[str, list[str]]
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


def entries() -> list[Entry]:
    """Return every model and preset in the order of the registry; builds each network once."""
    found = []
    for model, presets in PRESETS.items():
        inputs = {name: list(arrays) for name, arrays in INPUTS[model].items()}
        for preset in presets:
            classes = CLASSES.get((model, preset), 3)
            found.append(Entry(model, preset, parameters(model, preset, classes), classes, inputs, SOURCES[model]))
    return found


def parameters(model: str, preset: str, classes: int) -> int:
    """Return how many numbers one fold of a preset trains."""
    if model == "svm_flow":
        # One machine for every pair of classes: a weight for each value, and an offset.
        return comb(classes, 2) * (load(MODELS, model, "model").WIDTH + 1)
    import torch

    from mer.models.loop import parameter_count

    module = load(MODELS, model, "model")
    chosen = module.PRESETS[preset]
    # Without values: nothing is drawn or filled.
    with torch.device("meta"):
        network = module.build(chosen, classes)
    return parameter_count(network, running=model == "mean")


def render(rows: Sequence[Entry]) -> str:
    """Return entries as aligned text."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name == "parameters" else "left", no_wrap=name != "source")
    for row in rows:
        table.add_row(row.model, row.preset, f"{row.parameters:,}", ", ".join(row.inputs), row.source)
    buffer = io.StringIO()
    Console(file=buffer, width=160).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
