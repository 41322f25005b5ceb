"""Reading weight files, all treated as hostile: tensors only, all of them, of the right shapes, finite.

Accepted: safetensors; PyTorch files read by `torch.load(weights_only=True)`, which runs no code, holding the
tensors themselves or a mapping with `state_dict`. A prefix that wrappers add is taken off only if every name has it: a
file half with and half without it is not what it seems (specs/aman-magnet-rife.md C.5).
"""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from mer.core.errors import ModelError
from mer.core.seal import why_unreadable

PREFIXES = ("module.", "model.", "_orig_mod.")
LARGEST = 1 << 30
#: Steps of unpickling: names and shapes of ten thousand tensors. The rest of a file is numbers, which are not pickled.
MOST_STEPS = 2_000_000
# A damaged or hostile pickle makes its reader fail in any of these ways.
UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    AssertionError,
    OverflowError,
    MemoryError,
    RecursionError,
    zipfile.BadZipFile,
)


def tensors(path: str | Path, largest: int = LARGEST) -> dict[str, torch.Tensor]:
    """Return all tensors of a weight file by name without a common prefix, on the CPU, to be passed to `check`.

    Args:
        path: safetensors (by its suffix), or a PyTorch file.
        largest: size in bytes from which a file is refused unread.

    Raises:
        ModelError: the file is missing, too large, unreadable, truncated or not tensors only.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(path, "weight file not found", remedy="check the path")
    if (size := path.stat().st_size) > largest:
        raise ModelError(path, f"weight file of {size} bytes", f"at most {largest} bytes for this network")
    try:
        with path.open("rb"):  # the libraries name no errno
            pass
    except OSError as error:
        found, remedy = why_unreadable(error)
        raise ModelError(path, found, "a weight file", remedy) from None
    try:
        held: Any = load_file(path) if path.suffix == ".safetensors" else _unpickled(path, largest)
    except UNREADABLE as error:
        expected = "safetensors, or a PyTorch file of tensors only"
        raise ModelError(path, "weight file cannot be read", expected, "get it again or convert it") from error
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    if not isinstance(held, Mapping) or not all(isinstance(value, torch.Tensor) for value in held.values()):
        raise ModelError(path, "holds more than named tensors", "a plain mapping of names to tensors")
    if not held:
        raise ModelError(path, "holds no tensors", "the parameters of a network")
    return without_prefix({str(name): value for name, value in held.items()})


class _Counted:
    """A file whose reader is stopped when it asks too often: one byte of a pickle may be one step of its reader."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, MOST_STEPS

    def read(self, count: int = -1) -> bytes:
        self._count()
        return self._file.read(count)

    def readline(self) -> bytes:
        self._count()
        return self._file.readline()

    def readinto(self, buffer: Any) -> int:
        self._count()
        return self._file.readinto(buffer)  # type: ignore[attr-defined, no-any-return]

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise pickle.UnpicklingError(f"more than {MOST_STEPS} steps")


def _unpickled(path: Path, largest: int) -> Any:
    """Return what a PyTorch file holds, once it is known that reading it takes neither for ever nor all memory."""
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            with zipfile.ZipFile(file) as box:
                members = box.infolist()
            steps = sum(member.file_size for member in members if member.filename.endswith(".pkl"))
            if steps > MOST_STEPS or sum(member.file_size for member in members) > largest:
                raise pickle.UnpicklingError("larger than it may be once it is unpacked")
        file.seek(0)
        with warnings.catch_warnings():
            # Of what is odd about a file, the error tells in one line.
            warnings.simplefilter("ignore")
            return torch.load(_Counted(file), "cpu", weights_only=True)  # type: ignore[arg-type]


def without_prefix(named: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors by names without the prefix of `PREFIXES` that all of them have."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in named):
            return {name.removeprefix(prefix): value for name, value in named.items()}
    return dict(named)


def check(
    path: str | Path, held: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int, ...]]
) -> dict[str, torch.Tensor]:
    """Return `held` in the order of `expected`, the shape of every tensor by name; floating ones as float32.

    Raises:
        ModelError: a tensor is missing, unexpected, of another shape or not finite.
    """
    lacking = [name for name in expected if name not in held]
    if lacking:
        raise ModelError(path, f"lacks {_some(lacking)}", f"all {len(expected)} tensors of the network")
    foreign = sorted(set(held) - set(expected))
    if foreign:
        raise ModelError(path, f"has unexpected {_some(foreign)}", f"the {len(expected)} tensors of the network")
    for name, shape in expected.items():
        value = held[name]
        if value.layout != torch.strided or tuple(value.shape) != tuple(shape):
            raise ModelError(path, f"{name} has shape {tuple(value.shape)}", f"{tuple(shape)}")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ModelError(path, f"{name} has values that are not finite")
        if value.is_complex() or value.dtype == torch.bool:
            raise ModelError(path, f"{name} holds {value.dtype}", "real numbers")
    return {name: held[name].float() if held[name].is_floating_point() else held[name] for name in expected}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{', '.join(names[:2])}{more}"
