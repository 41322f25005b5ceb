"""Features that cost more than reading them back, such as those of a frozen trunk: computed once per clip and kept.

One container per subject, of an experiment and of its settings that `features` reads and no other; every fold and seed
of the experiment reads it in place of the products that the features were made of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mer.core.container import Clip, Container, ContainerWriter, file_digest
from mer.core.params import Params
from mer.models.contract import Model
from mer.training.clip_features import features_of
from mer.training.products import Chains, Containers, Product, why_failed

#: The name of the input, in place of the model's own.
INPUT = "features"
_SINGLE = "features"


def settings_seen(model: Model, preset: Params) -> dict[str, Any]:
    """Return the settings that the features depend on."""
    values = preset.model_dump(mode="json")
    return {name: values[name] for name in model.seen}


def write_features(
    name: str,
    model: Model,
    preset: Params,
    clips: Sequence[str],
    source: str,
    containers: Containers,
    out: str | Path,
    device: str = "cpu",
    log: Callable[[str], None] = print,
    chains: Chains | None = None,
    made: str = "",
) -> None:
    """Compute the features of a subject's clips and write them.

    Args:
        name: of the model.
        model: its card.
        preset: settings.
        clips: sample ids.
        source: of the subject, as in `containers`.
        containers: `{input: {source: path}}`.
        out: the container to write; clips that cannot be used are listed in it.
        device: `cpu` or `cuda`.
        log: takes one line.
        chains: the steps that must have led to the inputs.
        made: digest of the job's parameters and code, by which the container is known to be the planned one.

    Raises:
        ModelError, ContainerError, StorageError: as `mer.training.gather.gather`, and writing.
    """
    # Nothing but what the parameters name: a forgotten setting is an error, not a stale product.
    seen = SimpleNamespace(**{key: getattr(preset, key) for key in model.seen})
    products = {key: Product(key, containers, chains) for key in sorted(model.inputs)}
    with ExitStack() as stack:
        boxes = {key: stack.enter_context(product.open(source)) for key, product in products.items()}
        inputs = {key: file_digest(box.path) for key, box in boxes.items()}
        read_from = {key: product.made for key, product in products.items()}
        parameters = {"model": name, "settings": settings_seen(model, preset), "inputs": read_from}
        with ContainerWriter(out, "features", parameters=parameters, inputs=inputs, code=made) as writer:
            for sample_id in clips:
                if reason := why_failed(boxes, sample_id):
                    writer.fail(sample_id, reason)
                    continue
                views = {key: box.clip(sample_id) for key, box in boxes.items()}
                with writer.clip(sample_id) as clip:
                    for key, array in features_of(views, model, seen, None, device).items():
                        clip.write(key or _SINGLE, array)
    log(f"features of {len(clips)} clips of {source}")


def read(clip: Clip) -> dict[str, np.ndarray]:
    """Return the features of a clip by name; a single array is named ''."""
    names = clip.names()
    if names == [_SINGLE]:
        return {"": clip.read(_SINGLE)}
    return {name: clip.read(name) for name in names}


def digests(boxes: Mapping[str, Container]) -> dict[str, str]:
    """Return the digest of the container that each of the model's inputs was, by the name of the input."""
    told: dict[str, str] = json.loads(boxes[INPUT].attributes["inputs"])
    return told


def made(products: Mapping[str, Product]) -> dict[str, dict[str, Any]]:
    """Return `stage` and `parameters` of the products that the features were made of, by the name of the input."""
    parameters = products[INPUT].made.get("parameters", {"inputs": {}})
    inputs: dict[str, dict[str, Any]] = parameters["inputs"]
    return inputs
