"""The state of a training after an epoch: enough to go on to the same result bit for bit.

Weights, buffers, optimiser, random states and the last loss, as tensors and JSON. On disk it is one safetensors file,
written to a temporary name and renamed; nothing is unpickled. A file says for which settings and data it was written,
and holds a checksum, so that a training goes on from what was written or not at all.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mer.core.atomic import atomic_path
from mer.core.errors import ModelError
from mer.core.seal import why_unreadable
from mer.models.surroundings import Part

KEY, SUM = "mer-resume", "mer-resume-sum"


@dataclass(frozen=True)
class Snapshot:
    """Tensors by name and JSON values, of one call of the loop after `done` epochs."""

    tensors: dict[str, torch.Tensor]
    values: dict[str, Any]

    @property
    def done(self) -> int:
        """Number of epochs that are over."""
        return int(self.values["done"])


def capture(part: Part, done: int, loss: float) -> Snapshot:
    """Copy the state of a training; nothing that is returned changes with it."""
    tensors = {f"network.{name}": value for name, value in part.network.state_dict().items()}
    values: dict[str, Any] = {"name": part.name, "done": done, "loss": loss, "optimiser": {}}
    for index, entries in part.optimiser.state_dict()["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser.{index}.{name}"] = value
            else:
                values["optimiser"][f"{index}.{name}"] = value
    tensors["random.cpu"] = torch.get_rng_state()
    place = next(part.network.parameters()).device
    if place.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(place)
    values["generators"] = [generator.bit_generator.state for generator in part.generators]
    plain = torch.contiguous_format
    return Snapshot({name: one.detach().cpu().clone(memory_format=plain) for name, one in tensors.items()}, values)


def restore(part: Part, snapshot: Snapshot) -> None:
    """Put a captured state back into a training that was built in the same way."""
    tensors = snapshot.tensors
    part.network.load_state_dict({name: tensors[f"network.{name}"] for name in part.network.state_dict()})
    optimiser = part.optimiser.state_dict()
    weights = [weight for group in part.optimiser.param_groups for weight in group["params"]]
    optimiser["state"] = {index: {} for index in range(len(weights))}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, entry = name.split(".", 2)
            optimiser["state"][int(index)][entry] = _laid_out(value, weights[int(index)])
    for name, value in snapshot.values["optimiser"].items():
        index, entry = name.split(".", 1)
        optimiser["state"][int(index)][entry] = value
    optimiser["state"] = {index: entries for index, entries in optimiser["state"].items() if entries}
    part.optimiser.load_state_dict(optimiser)
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], next(part.network.parameters()).device)
    for generator, state in zip(part.generators, snapshot.values["generators"], strict=True):
        generator.bit_generator.state = state


def _laid_out(value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return a moment with the memory layout of its weight: another order of the same sums rounds differently."""
    return torch.empty_like(weight, dtype=value.dtype).copy_(value) if value.shape == weight.shape else value


def write(path: Path, digest: str, call: int, snapshot: Snapshot) -> None:
    """Write a snapshot of the `call`-th training of a fit.

    Raises:
        StorageError: the disk is full or not writable.
    """
    text = json.dumps({"digest": digest, "call": call, **snapshot.values}, default=_number)
    with atomic_path(path) as temporary:
        told = {KEY: text, SUM: _sum(text, snapshot.tensors)}
        temporary.write_bytes(save(snapshot.tensors, metadata=told))


def _sum(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the CRC-32 of a header and of all tensors with their names, types and shapes."""
    found = zlib.crc32(text.encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        found = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), found)
        found = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"


def _number(value: Any) -> Any:
    if isinstance(value, np.integer | np.floating):
        return value.item()
    raise TypeError(f"{type(value).__name__} in the state of an optimiser or generator")


def read(path: Path, digest: str, call: int, log: Callable[[str], None]) -> Snapshot | None:
    """Return the snapshot of a file that was written for these settings and data; refuse any other and say so.

    Raises:
        ModelError: the system refuses to read the file.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb"):  # safetensors names no errno
            pass
        with safe_open(str(path), framework="pt") as handle:
            told = handle.metadata() or {}
            header, known = json.loads(told[KEY]), told[SUM]
            # keys() is the only listing that safetensors offers; the handle itself is not iterable.
            tensors = {name: handle.get_tensor(name) for name in list(handle.keys())}
        whole = known == _sum(told[KEY], tensors)
        written_for, number = header.pop("digest"), header.pop("call")
    except OSError as error:
        # Days of training may lie in it: only what was read and found to be another file is written over.
        found, remedy = why_unreadable(error)
        raise ModelError(path, found, "the state of the interrupted training", remedy) from None
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        log(f"{path}: not a resume file of mer; training starts from the beginning")
        return None
    if not whole:
        log(f"{path}: damaged; training starts from the beginning")
        return None
    if written_for != digest:
        log(f"{path}: of other settings, data or code; training starts from the beginning")
        return None
    return Snapshot(tensors, header) if number == call else None
