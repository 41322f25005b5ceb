"""From the clips of a table to the arrays that a model sees: opens the containers of those clips and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from mer.core.container import Clip, Container, file_digest
from mer.core.errors import ClipError, ModelError
from mer.core.params import Params
from mer.models.contract import Model
from mer.models.state import Features
from mer.training.fold_tables import Row
from mer.training.products import Containers, Product


@dataclass(frozen=True)
class Gathered:
    """Features of the usable clips, in the order of `rows`.

    `excluded` pairs every other clip with its reason. `inputs` says, per input, what product was read: `stage`,
    `parameters` and the digest of each container by source.
    """

    rows: list[Row]
    features: Features
    excluded: list[tuple[Row, str]]
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)


def gather(
    rows: Sequence[Row], containers: Containers, model: Model, preset: Params, allow_empty: bool = False
) -> Gathered:
    """Compute the features of every clip of `rows`.

    Args:
        rows: clips of one part of a fold, in any order; they are taken in the order of (dataset, sample_id).
        containers: `{input: {source: path}}`; only the sources of `rows` are opened.
        model: its card.
        preset: one of its presets, perhaps with overrides.
        allow_empty: accept that no clip is usable (a held-out subject whose clips all failed).

    Raises:
        ModelError: no path for an input or a source, containers of one input made with different parameters, no
            usable clip (unless allowed), or features that are not finite or differ in shape.
        ContainerError: a container is missing, unfinished, or lacks a clip without saying why.
    """
    if set(containers) != set(model.inputs_of(preset)):
        found = f"inputs {', '.join(sorted(containers)) or 'none'}"
        raise ModelError("features", found, ", ".join(sorted(model.inputs_of(preset))))
    kept: list[tuple[Row, Features]] = []
    excluded: list[tuple[Row, str]] = []
    products = {name: Product(name, containers) for name in sorted(containers)}
    digests: dict[str, dict[str, str]] = {name: {} for name in products}
    for source, members in groupby(sorted(rows, key=lambda row: (row.source, row.key)), key=lambda row: row.source):
        with ExitStack() as stack:
            boxes = {name: stack.enter_context(product.open(source)) for name, product in products.items()}
            for name, box in boxes.items():
                digests[name][source] = file_digest(box.path)
            for row in members:
                failed = {name: box.failures.get(row.sample_id) for name, box in boxes.items()}
                reason = "; ".join(f"{name}: {why}" for name, why in failed.items() if why is not None)
                value = None if reason else _features(boxes, row, model, preset)
                if isinstance(value, ClipError):
                    reason = value.line()
                if reason:
                    excluded.append((row, reason))
                else:
                    kept.append((row, value))  # type: ignore[arg-type]
    if not kept and not allow_empty:
        found = f"no usable clip among {len(rows)}" + (f" ({excluded[0][1]})" if excluded else "")
        raise ModelError("features", found, "at least one clip", "see the report of the stages")
    kept.sort(key=lambda pair: pair[0].key)
    excluded.sort(key=lambda pair: pair[0].key)
    inputs = {name: {**one.made, "digests": digests[name]} if one.made else {} for name, one in products.items()}
    return Gathered([row for row, _ in kept], _stack(kept) if kept else np.zeros(0), excluded, inputs)


def _features(boxes: Mapping[str, Container], row: Row, model: Model, preset: Params) -> Features | ClipError:
    clips: dict[str, Clip] = {name: box.clip(row.sample_id) for name, box in boxes.items()}
    for name, clip in clips.items():
        for array in model.inputs[name]:
            clip.lazy(array)
    try:
        if "features" in model.units:
            value = model.features(clips, preset, row.unit_numbers)
        else:
            value = model.features(clips, preset)
    except ClipError as error:
        return error
    for numbers in by_name(value).values():
        if not np.isfinite(numbers).all():
            found = f"features of clip {row.sample_id} of {row.dataset} are not finite"
            where = next(iter(boxes.values())).path
            raise ModelError(where, found, "finite numbers", "run the stage of the input again")
    return value


def subset(features: Features, clips: np.ndarray) -> Features:
    """Return copies of the features of the clips with the given indices (M,) int, in that order."""
    return from_names({name: np.array(array[clips]) for name, array in by_name(features).items()})


def by_name(features: Features) -> dict[str, np.ndarray]:
    """Return the arrays by name; a single array, of a model with one kind of features, is named ''."""
    return features if isinstance(features, dict) else {"": features}


def from_names(arrays: dict[str, np.ndarray]) -> Features:
    """Return what `by_name` was given."""
    return arrays[""] if list(arrays) == [""] else arrays


def _stack(kept: Sequence[tuple[Row, Features]]) -> Features:
    first = by_name(kept[0][1])
    for row, value in kept:
        shapes = {name: array.shape for name, array in by_name(value).items()}
        expected = {name: array.shape for name, array in first.items()}
        if shapes != expected:
            raise ModelError(f"{row.dataset} clip {row.sample_id}", f"features {shapes}", f"{expected}, as other clips")
    stacked = {name: np.stack([by_name(value)[name] for _, value in kept]) for name in first}
    return from_names(stacked)
