"""A trained model on disk: one safetensors file with the arrays and, in its header, JSON that says how they came about.

Nothing is unpickled. The file is read whole, and holds a digest of all that it says, so that one that is cut short,
foreign or damaged is refused before any of it is used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mer.core.atomic import atomic_path
from mer.core.errors import DamagedModel, ModelError
from mer.core.seal import why_unreadable
from mer.models.state import State
from mer.training.separation import FoldJob, TableRow

KEY = "mer"
DIGEST = "sha256"
FORMAT = 1
# How metadata with a digest end, whatever bit of that is damaged; older ones have none.
_SEALED = re.compile(r', ".{6}": ".{16}"\}$', re.DOTALL)
FIELDS = ("model", "preset", "settings", "classes", "inputs", "seed", "fold", "held_out", "train_groups", "state")


def save_checkpoint(path: str | Path, state: State, metadata: dict[str, Any]) -> None:
    """Write arrays and metadata atomically; equal contents give equal bytes.

    Raises:
        StorageError: the disk is full or not writable.
        ModelError: an array has values that are not finite.
    """
    for name, array in state.arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(path, f"{name} has values that are not finite", remedy="lower the learning rate")
    text = json.dumps({**metadata, "state": state.meta, "format": FORMAT}, sort_keys=True, ensure_ascii=False)
    arrays = {name: np.asarray(state.arrays[name], order="C") for name in sorted(state.arrays)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(arrays, metadata={KEY: _sealed(text, arrays)}))


def _sealed(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the metadata's JSON with the digest of itself and of every array as its last key."""
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    # Within the one text: safetensors writes several in any order.
    return f'{text[:-1]}, "{DIGEST}": "{digest.hexdigest()[:16]}"}}'


def fold_metadata(job: FoldJob, rows: Iterable[TableRow], classes: Iterable[str], seed: int) -> dict[str, Any]:
    """Return what the checkpoint of a fold says of it, whatever the task."""
    return {
        "classes": list(classes),
        "seed": seed,
        "fold": job.fold,
        "held_out": sorted(job.held_out),
        "train_groups": sorted({row.group for row in rows}),
    }


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return the metadata of a checkpoint without reading its arrays.

    Raises:
        ModelError: the file is missing or not a checkpoint of mer.
    """
    return _read(path, with_arrays=False)[1]


def require_format(path: str | Path, metadata: dict[str, Any]) -> None:
    """Refuse a checkpoint that this version of mer cannot read, whatever version wrote it; raises `ModelError`."""
    if metadata.get("format") != FORMAT:
        wrote = (metadata.get("versions") or {}).get("mer")
        found = f"a checkpoint of format {metadata.get('format')}" + (f", of mer {wrote}" if wrote else "")
        raise ModelError(path, found, f"format {FORMAT}", "install that version, or train again")


def load_checkpoint(path: str | Path) -> tuple[State, dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Raises:
        ModelError: the file is missing, not safetensors, damaged, or not a checkpoint of this version of mer.
    """
    if not Path(path).is_file():
        raise ModelError(path, "checkpoint not found", remedy="run the fit step")
    arrays, metadata = _read(path, with_arrays=True)
    require_format(path, metadata)
    lacking = [name for name in FIELDS if name not in metadata]
    if lacking:
        raise ModelError(path, f"its metadata lacks {', '.join(lacking)}", ", ".join(FIELDS), "train again")
    return State(arrays, metadata["state"]), metadata


def _read(path: str | Path, with_arrays: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    expected, remedy = "a file written by the fit step", "train again"
    try:
        # safetensors names no errno.
        with open(path, "rb"), safe_open(str(path), framework="numpy") as handle:
            text = (handle.metadata() or {})[KEY]
            metadata = json.loads(text)
            # keys() is the only listing that safetensors offers; the handle itself is not iterable.
            arrays = {name: handle.get_tensor(name) for name in list(handle.keys())} if with_arrays else {}
    except OSError as error:
        found, remedy = why_unreadable(error)
        raise ModelError(path, found, remedy=remedy) from error
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedModel(path, "not a checkpoint of mer", expected, remedy) from error
    if not isinstance(metadata, dict):
        raise DamagedModel(path, "not a checkpoint of mer", expected, remedy)
    if with_arrays and (end := _SEALED.search(text)) and text != _sealed(text[: end.start()] + "}", arrays):
        raise DamagedModel(path, "damaged: it does not hold what was written", expected, remedy)
    metadata.pop(DIGEST, None)
    return arrays, metadata
