"""What a training leaves on disk: its state, from which the same command goes on, and at last the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from mer.core.atomic import atomic_path
from mer.core.errors import ModelError
from mer.core.seal import why_unreadable


def keep(path: Path, made_of: str, parts: Mapping[str, Any], step: int, spent: float) -> None:
    """Write the state of networks and optimisers by name, with the steps made and the CPU-seconds they took."""
    with atomic_path(path) as temporary:
        states = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**states, "made_of": made_of, "step": step, "spent": spent}, temporary)


def resume(path: Path, made_of: str, parts: Mapping[str, Any]) -> tuple[int, float]:
    """Put the state that `keep` wrote back; return the steps and CPU-seconds so far, 0 when there is none.

    Raises:
        ModelError: the file cannot be read, or is of a run with other arguments than `made_of` says.
    """
    if not path.exists():
        return 0, 0.0
    try:
        with path.open("rb") as file:
            state = torch.load(file, "cpu", weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        held, step, spent = str(state["made_of"]), int(state["step"]), float(state["spent"])
    except OSError as error:
        found, remedy = why_unreadable(error)
        raise ModelError(path, found, "a training state", remedy) from None
    except Exception as error:
        raise ModelError(path, "training state cannot be read", remedy="delete it to start again") from error
    if held != made_of:
        raise ModelError(path, f"training state of {held}", made_of, "delete it to start again, or change --out")
    return step, spent


def write_weights(path: Path, tensors: Mapping[str, torch.Tensor], notes: dict[str, str]) -> None:
    """Write tensors as safetensors with `notes` as metadata, atomically."""
    with atomic_path(path) as temporary:
        save_file({name: value.detach().contiguous() for name, value in tensors.items()}, temporary, notes)
