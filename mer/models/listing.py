"""What `mer models` prints: every system and preset with its size, its inputs and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mer.core.params import Params
from mer.core.progress import each
from mer.core.texttable import text_table
from mer.models import memory
from mer.models.contract import Model
from mer.models.registry import MODELS, model

SPOTTING = "(spotting)"
SOFTNET = "SOFTNet; Liong, See, Wong, ICIP 2021"
COLUMNS = ("model", "preset", "parameters", "MiB", "inputs", "source")


@dataclass(frozen=True)
class Entry:
    """One preset, or a network that spots (`SPOTTING`), which has none.

    `parameters` counts what a fold trains, and running statistics where the source counts them; None where it depends
    on the clips. `classes` is the number
    of classes of the count: the published one, else three. `mib` is the memory that the job of a fold asks for at the
    size of the composite, 442 clips, without a GPU; None for a network that spots. `inputs` names the arrays that each
    input's product must have.
    """

    model: str
    preset: str
    parameters: int | None
    classes: int
    mib: int | None
    inputs: dict[str, list[str]]
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


def entries() -> list[Entry]:
    """Return every model and preset in the order of the registry, then what spots; builds each network once."""
    return [
        *(entry(name, preset) for name in each([*MODELS], "systems") for preset in model(name, "model").presets),
        *spotting(),
    ]


def spotting() -> list[Entry]:
    """Return the networks of `spotting.<name>.model`."""
    import torch

    from mer.models.loop import parameter_count
    from mer.models.mean_softnet_network import SoftNet, Spotting

    named = {"mean": (Spotting, model("mean", "model").source), "softnet": (SoftNet, SOFTNET)}
    inputs = {"features of a kind": ["features"]}
    with torch.device("meta"):
        counts = {name: parameter_count(build(), running=True) for name, (build, _) in named.items()}
    return [Entry(name, SPOTTING, counts[name], 1, None, inputs, source) for name, (_, source) in named.items()]


def entry(name: str, preset: str) -> Entry:
    """Return what is listed of one preset."""
    card = model(name, "model")
    classes = card.classes_of(preset)
    inputs = {key: list(arrays) for key, arrays in card.inputs_of(card.presets[preset]).items()}
    asked = memory.fit_mib(card, preset, card.presets[preset], memory.COMPOSITE)
    return Entry(name, preset, parameters(card, card.presets[preset], classes), classes, asked, inputs, card.source)


def parameters(card: Model, preset: Params, classes: int) -> int | None:
    """Return how many numbers one fold of a preset trains, None where that depends on the clips."""
    if card.parameters is not None:
        return card.parameters(preset, classes)
    import torch

    from mer.models.loop import parameter_count

    assert card.build is not None, "a model without `parameters` has a network"
    # Without values: nothing is drawn or filled.
    with torch.device("meta"):
        return parameter_count(card.build(preset, classes), card.counts_running)


def render(rows: Sequence[Entry]) -> str:
    """Return entries as aligned text."""
    cells = []
    for row in rows:
        mib = "" if row.mib is None else f"{row.mib:,}"
        count = "" if row.parameters is None else f"{row.parameters:,}"
        cells.append((row.model, row.preset, count, mib, ", ".join(row.inputs), row.source))
    return text_table(COLUMNS, cells, right={"parameters", "MiB"}, wrapped={"source"}, width=160)
