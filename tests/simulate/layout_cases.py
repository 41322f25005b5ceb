"""The layouts, their readers, and small databases written in them: shared by the layout tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mer.core.sample import Sample
from mer.datasets.contract import AnyReader
from mer.datasets.reading import Reading
from mer.datasets.registry import reader
from mer.simulate.names import LAYOUTS
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan
from mer.simulate.registry import layout

READER = {name: layout(name).reader for name in LAYOUTS}
# Image trees besides the reader's default.
VIEWS = {name: layout(name).views[1:] for name in LAYOUTS}
# Fewer frames than the real cameras give, and faces large enough to be found.
TINY: dict[str, Any] = {"width": 240, "height": 180, "shortest": 0.26, "longest": 0.3, "raw": True, "blink": 0.0}
FEWER = {"fps": 50.0}
TINY_OF = {
    "casme2": FEWER, "samm": FEWER, "samm_lv": FEWER, "smic_e_hs": FEWER,
    "mmew": {**FEWER, "width": 400, "height": 300}, "casme": {**FEWER, "width": 400, "height": 300},
}  # fmt: skip
POLARITY = {
    "negative": {"negative", "anger", "contempt", "disgust", "fear", "sadness", "repression"},
    "positive": {"positive", "happiness"},
    "surprise": {"surprise"},
}


def params(name: str, **changes: object) -> SimulateParams:
    return SimulateParams(**{"layout": name, "subjects": 2, "clips": 2, **changes})  # type: ignore[arg-type]


def tiny(name: str, **changes: object) -> SimulateParams:
    return params(name, **{**TINY, **TINY_OF.get(name, {}), **changes})


def options(name: str, **changes: object) -> tuple[AnyReader, Any]:
    """Return the reader and its options for a layout."""
    chosen = reader(READER[name])
    return chosen, chosen.options.model_validate({**layout(name).cameras[name].options, **changes})


def planned(given: SimulateParams, **changes: object) -> Reading:
    """Return what the reader makes of the plan, no file opened."""
    source, chosen = options(given.layout, **changes)
    told = layout(given.layout).reader_input(given, chosen.model_dump())
    return source.samples_from(told.table, told.listing, chosen, "simulated", True, **told.extra)


def read(root: Path, name: str, **changes: object) -> Reading:
    source, chosen = options(name, **changes)
    return source.read(root, chosen)


def write(given: SimulateParams, root: Path) -> Path:
    chosen = layout(given.layout)
    chosen.write_tables(given, root)
    for subject in chosen.subjects(given):
        chosen.write_subject(given, subject, root, root / "truth" / f"{subject}.h5")
    return root


def bare(samples: list[Sample]) -> list[Sample]:
    """Return rows without the digest of the file they came from."""
    return [dataclasses.replace(sample, release="") for sample in samples]


def pairs(given: SimulateParams, reading: Reading) -> Iterator[tuple[ClipPlan, Sample]]:
    """Yield each expression that has a row, with the row."""
    rows = {sample.sample_id: sample for sample in reading.samples}
    for plan in layout(given.layout).plan(given):
        if plan.sample_id in rows:
            yield plan, rows[plan.sample_id]
