"""From the clips of a table to the arrays that a model sees: opens the containers of those clips and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from mer.core.container import Container, file_digest
from mer.core.errors import ClipError, ModelError
from mer.core.params import Params
from mer.models.clip_array import ClipArray
from mer.models.contract import Model
from mer.models.state import Features, from_names, plain
from mer.training import kept_features
from mer.training.clip_features import features_of
from mer.training.fold_tables import Row
from mer.training.products import Chains, Containers, Product, why_failed


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


def features_for(model: Model, features: Features) -> Features:
    """Return features as the `fit` and `predict` of a model take them: plain copies unless it shares them."""
    return features if model.shared else plain(features)


def gather(
    rows: Sequence[Row],
    containers: Containers,
    model: Model,
    preset: Params,
    allow_empty: bool = False,
    device: str = "cpu",
    chains: Chains | None = None,
) -> Gathered:
    """Return the features of every clip of `rows`, in memory once.

    Args:
        rows: clips of one part of a fold, in any order; they are taken in the order of (dataset, sample_id).
        containers: `{input: {source: path}}`; only the sources of `rows` are opened. The one input `features` is of
            features that were computed before (`mer.training.kept_features`).
        model: its card.
        preset: one of its presets, perhaps with overrides.
        allow_empty: accept that no clip is usable (a held-out subject whose clips all failed).
        device: where features of costly presets are computed.
        chains: the steps that must have led to the inputs (`mer.training.products.Product`).

    Raises:
        ModelError: no path for an input or a source, containers of one input made with different parameters, no
            usable clip (unless allowed), or features that are not finite or differ in shape.
        ContainerError: a container is missing, unfinished, or lacks a clip without saying why.
    """
    # A model may have an input of that name itself.
    kept = set(containers) == {kept_features.INPUT} != set(model.inputs_of(preset))
    if not kept and set(containers) != set(model.inputs_of(preset)):
        found = f"inputs {', '.join(sorted(containers)) or 'none'}"
        raise ModelError("features", found, ", ".join(sorted(model.inputs_of(preset))))
    ordered = sorted(rows, key=lambda row: row.key)
    stacked, excluded = _Stacked(ordered), []
    products = {name: Product(name, containers, chains) for name in sorted(containers)}
    digests: dict[str, dict[str, str]] = {}
    for source, members in groupby(sorted(rows, key=lambda row: (row.source, row.key)), key=lambda row: row.source):
        with ExitStack() as stack:
            boxes = {name: stack.enter_context(product.open(source)) for name, product in products.items()}
            told = kept_features.digests(boxes) if kept else {n: file_digest(box.path) for n, box in boxes.items()}
            for name, digest in told.items():
                digests.setdefault(name, {})[source] = digest
            for row in members:
                value = _features(boxes, row, model, preset, device)
                if isinstance(value, str):
                    excluded.append((row, value))
                else:
                    stacked.put(row, value)
    if not stacked.filled and not allow_empty:
        found = f"no usable clip among {len(rows)}" + (f" ({excluded[0][1]})" if excluded else "")
        raise ModelError("features", found, "at least one clip", "see the report of the stages")
    excluded.sort(key=lambda pair: pair[0].key)
    made = kept_features.made(products) if kept else {name: one.made for name, one in products.items()}
    inputs = {name: {**one, "digests": digests[name]} if one else {} for name, one in made.items()}
    return Gathered(*stacked.whole(), excluded, inputs)


def _features(
    boxes: Mapping[str, Container], row: Row, model: Model, preset: Params, device: str
) -> Mapping[str, np.ndarray] | str:
    """Return the features of a clip by name, or why it has none."""
    if set(boxes) != set(model.inputs_of(preset)):
        box = boxes[kept_features.INPUT]
        return box.failures.get(row.sample_id) or kept_features.read(box.clip(row.sample_id))
    if reason := why_failed(boxes, row.sample_id):
        return reason
    clips = {name: box.clip(row.sample_id) for name, box in boxes.items()}
    try:
        return features_of(clips, model, preset, row.unit_numbers, device)
    except ClipError as error:
        return error.line()


class _Stacked:
    """The features of clips, filled in one clip at a time, so that none is held twice."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows, self.filled = rows, list[int]()
        self._place = {row.key: place for place, row in enumerate(rows)}
        self._arrays: dict[str, np.ndarray] = {}

    def put(self, row: Row, value: Mapping[str, np.ndarray]) -> None:
        if not self._arrays:
            self._arrays = {name: np.empty((len(self.rows), *one.shape), one.dtype) for name, one in value.items()}
        shapes = {name: array.shape for name, array in value.items()}
        expected = {name: array.shape[1:] for name, array in self._arrays.items()}
        if shapes != expected:
            raise ModelError(f"{row.dataset} clip {row.sample_id}", f"features {shapes}", f"{expected}, as other clips")
        place = self._place[row.key]
        for name, array in value.items():
            self._arrays[name][place] = array
        self.filled.append(place)

    def whole(self) -> tuple[list[Row], Features]:
        """Return the rows that have features, in order, and these."""
        filled = np.array(sorted(self.filled), np.int64)
        features = from_names({name: ClipArray(array, filled) for name, array in self._arrays.items()})
        return [self.rows[k] for k in filled], features if self.filled else np.zeros(0)
