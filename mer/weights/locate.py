"""Where a weight file lies on this machine: with `mer`, in the user's cache, or at a path the user gives."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from mer.core.errors import ModelError
from mer.core.registry import nearest
from mer.weights.registry import WEIGHTS, Weights

Network = TypeVar("Network")
FILES = Path(__file__).parent / "files"
SUFFIXES = {".safetensors", ".pth", ".pkl", ".pt", ".tar"}


def cache_folder() -> Path:
    """Return the folder of fetched weights: `MER_CACHE`, else the platform's cache folder, then `weights`."""
    if chosen := os.environ.get("MER_CACHE"):
        return Path(chosen).expanduser() / "weights"
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mer" / "weights"


def cached(name: str) -> Path:
    """Return where the published weights `name` lie once fetched; what the file is, is in its `.json` beside it."""
    known = WEIGHTS[name]
    inside = known.member or (known.url or known.source.split(",")[-1]).rsplit("/", 1)[-1]
    suffix = Path(inside).suffix
    return cache_folder() / f"{name}{suffix if suffix in SUFFIXES else '.pth'}"


def locate(name: str) -> Path:
    """Return the file of registered weights, or of a path.

    Args:
        name: a name of `mer.weights.registry.WEIGHTS`, or the path of a weight file.

    Raises:
        ModelError: the name is unknown, the weights were not fetched yet, or the file is not the one it should be.
    """
    known = WEIGHTS.get(name)
    if known is None:
        return _given(name)
    if known.file is not None:
        path, digest = FILES / known.file, known.sha256
        if not path.is_file():
            raise ModelError(path, "bundled weight file not found", "a complete installation", "install mer again")
    else:
        path = cached(name)
        if not path.is_file():
            raise ModelError(f"weights {name}", "not on this machine", "a fetched file", _how(name, known))
        digest = known.sha256 or accepted_digest(path)
    if digest and sha256(path) != digest:
        found = f"sha256 {sha256(path)[:16]}… "
        raise ModelError(path, found, f"{digest[:16]}… of {name}", "the file was changed or damaged: fetch it again")
    return path


def _given(name: str) -> Path:
    path = Path(name).expanduser()
    if os.path.isfile(path):
        return path
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        raise ModelError(path, "weight file not found", "a safetensors file or a PyTorch file of tensors only")
    raise ModelError(f"weights {name!r}", "unknown", "a registered name or the path of a file", nearest(name, WEIGHTS))


def _how(name: str, known: Weights) -> str:
    local = "" if known.url else " --file DOWNLOADED"
    return f"run: mer weights fetch {name}{local} --accept-licence (from {known.source})"


def accepted_digest(path: Path) -> str | None:
    """Return the SHA-256 that was recorded when a file without a published digest was accepted."""
    note = path.with_suffix(".json")
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits; read again only when the file changed."""
    file = Path(path).stat()
    return _sha256(str(path), file.st_size, file.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def kept(load: Callable[[str, str], Network]) -> Callable[[str, str], Network]:
    """Return `load(path, device)` as a function of the name of weights (or a path) and a device.

    The last two networks stay in memory; a file that changed is loaded anew. Raises as `locate` and `load`.
    """

    @lru_cache(maxsize=2)
    def loaded(path: str, digest: str, device: str) -> Network:
        return load(path, device)

    def by_name(name: str, device: str) -> Network:
        path = locate(name)
        return loaded(str(path), sha256(path), device)

    return by_name


def used(params: object) -> list[Path]:
    """Return the weight files that a parameter object names in its field `weights`, for keys and records.

    Raises:
        ModelError: as `locate`, so that a missing file stops a run before any job starts.
    """
    name = getattr(params, "weights", None)
    return [locate(name)] if isinstance(name, str) and name else []


def describe(name: str) -> str:
    """Return which weights `name` are, on one line for a record: name or file, and SHA-256."""
    label = name if name in WEIGHTS else Path(name).name
    return f"{label}, sha256 {sha256(locate(name))}"
