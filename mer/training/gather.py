"""From the clips of a table to the arrays that a model sees: opens the containers of those clips and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.container import Clip, Container, file_digest
from mer.core.errors import ClipError, ModelError
from mer.core.params import Params
from mer.models.contract import Model
from mer.models.state import Features
from mer.training.tables import Row

Containers = Mapping[str, Mapping[str, str | Path]]


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
    if set(containers) != set(model.inputs):
        found = f"inputs {', '.join(sorted(containers)) or 'none'}"
        raise ModelError("features", found, ", ".join(sorted(model.inputs)))
    kept: list[tuple[Row, Features]] = []
    excluded: list[tuple[Row, str]] = []
    inputs: dict[str, dict[str, Any]] = {name: {} for name in sorted(containers)}
    for source, members in groupby(sorted(rows, key=lambda row: (row.source, row.key)), key=lambda row: row.source):
        with ExitStack() as stack:
            boxes = {name: stack.enter_context(Container(_path(containers, name, source))) for name in inputs}
            for name, box in boxes.items():
                _note(inputs[name], box, source)
            for row in members:
                reason = _failure(boxes, row)
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
    return Gathered([row for row, _ in kept], _stack(kept) if kept else np.zeros(0), excluded, inputs)


def _path(containers: Containers, name: str, source: str) -> str | Path:
    if source not in containers[name]:
        raise ModelError(f"input {name}", f"no container for {source}", "one for every subject of the table")
    return containers[name][source]


def _note(known: dict[str, Any], box: Container, source: str) -> None:
    found = {"stage": str(box.attributes["stage"]), "parameters": box.parameters()}
    for key, value in found.items():
        if known.setdefault(key, value) != value:
            message = f"made with another {key} than the other subjects"
            raise ModelError(box.path, message, f"{known[key]}", "run that stage again for every subject")
    known.setdefault("digests", {})[source] = file_digest(box.path)


def _failure(boxes: Mapping[str, Container], row: Row) -> str:
    reasons = [f"{name}: {box.failures[row.sample_id]}" for name, box in boxes.items() if row.sample_id in box.failures]
    return "; ".join(reasons)


def _features(boxes: Mapping[str, Container], row: Row, model: Model, preset: Params) -> Features | ClipError:
    clips: dict[str, Clip] = {name: box.clip(row.sample_id) for name, box in boxes.items()}
    for name, clip in clips.items():
        for needed in model.inputs[name]:
            clip.lazy(needed)
    try:
        if "features" in model.units:
            value = model.features(clips, preset, row.unit_numbers)
        else:
            value = model.features(clips, preset)
    except ClipError as error:
        return error
    for array in _arrays(value).values():
        if not np.isfinite(array).all():
            found = f"features of clip {row.sample_id} of {row.dataset} are not finite"
            raise ModelError(
                next(iter(boxes.values())).path, found, "finite numbers", "run the stage of the input again"
            )
    return value


def subset(features: Features, clips: np.ndarray) -> Features:
    """Return copies of the features of the clips with the given indices (M,) int, in that order."""
    if isinstance(features, dict):
        return {name: array[clips] for name, array in features.items()}
    return np.asarray(features[clips])


def _arrays(value: Features) -> dict[str, np.ndarray]:
    return value if isinstance(value, dict) else {"": value}


def _stack(kept: Sequence[tuple[Row, Features]]) -> Features:
    first = _arrays(kept[0][1])
    for row, value in kept:
        shapes = {name: array.shape for name, array in _arrays(value).items()}
        expected = {name: array.shape for name, array in first.items()}
        if shapes != expected:
            raise ModelError(f"{row.dataset} clip {row.sample_id}", f"features {shapes}", f"{expected}, as other clips")
    stacked = {name: np.stack([_arrays(value)[name] for _, value in kept]) for name in first}
    return stacked if isinstance(kept[0][1], dict) else stacked[""]
