"""The HDF5 container: one file per job, `/clips/<sample_id>/<array>` plus attributes (docs/architecture.md, Products).

File attributes: `stage`, `variant`, `parameters` (JSON), `inputs` (JSON: name -> digest), `code`
(digest of the code that wrote it), `libraries` (their versions then), `mer_version`, `schema_version`,
`complete`; of a stage's product also `chain` (JSON: all steps that led to it) and `rows` (digest of the index rows and
of the files behind them). A file is written under a temporary name, sealed (`mer.core.seal`) and renamed when complete;
readers refuse anything else, and what is damaged when they come to it. Arrays are chunked per frame (small ones whole)
and compressed losslessly with shuffle + gzip, which every HDF5 reader knows. Clips that failed are listed in the file
with their reasons.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mer import __version__
from mer.core.atomic import atomic_path, storage_error
from mer.core.errors import ClipError, ContainerError, MediaError
from mer.core.own_data import Foreign, attributes, member, whole
from mer.core.seal import SealedFile, damaged, read_seal, write_seal

SCHEMA_VERSION = 2
# From this one on every container has a seal.
SEALED = 2
SMALL_CHUNK = 1 << 16


class _CheckedFile:
    """The file under HDF5: remembers the first write that the disk refused, and drops all later ones.

    HDF5 cannot close a file whose writes fail; with the refusal remembered here it closes in peace and the
    writer raises one clear error instead.
    """

    def __init__(self, path: Path, mode: str = "w+b") -> None:
        self._file = path.open(mode, buffering=0)
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        view = memoryview(data).cast("B")
        try:
            done = 0
            while self.error is None and done < len(view):
                done += self._file.write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size) if self.error is None else 0
        except OSError as error:
            self.error = error
            return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class ClipWriter:
    """One clip of a container being written."""

    def __init__(self, group: h5py.Group, check: Callable[[], None]) -> None:
        self._group = group
        self._check = check

    def write(self, name: str, array: np.ndarray) -> None:
        """Store `array` whole, one chunk per index of its first axis."""
        self._check()
        array = np.asarray(array)
        if array.dtype.kind in "UO":
            self._group.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
        elif array.ndim < 2 or array.size == 0:
            self._group.create_dataset(name, data=array)
        else:
            self._group.create_dataset(name, data=array, chunks=_chunk(array.shape, array.itemsize), **_FILTERS)

    def append(self, name: str, block: np.ndarray) -> None:
        """Append `block` (N, ...) along the first axis, so that a long clip never sits in memory."""
        self._check()
        block = np.asarray(block)
        if name not in self._group:
            shape = (0, *block.shape[1:])
            self._group.create_dataset(
                name,
                shape,
                block.dtype,
                maxshape=(None, *shape[1:]),
                chunks=_chunk(block.shape, block.itemsize),
                **_FILTERS,
            )
        data = self._group[name]
        data.resize(len(data) + len(block), axis=0)
        data[len(data) - len(block) :] = block

    def extend(self, name: str, items: Iterable[np.ndarray], block: int) -> None:
        """Append items, all of one shape, along a new first axis, `block` of them at a time."""
        items = iter(items)
        while held := list(islice(items, block)):
            self.append(name, np.stack(held))

    def attributes(self, values: Mapping[str, Any]) -> None:
        """Store scalars, strings or short lists; None is stored as an absent attribute."""
        for key, value in values.items():
            if value is not None:
                self._group.attrs[key] = value


_FILTERS: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def _chunk(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    # One frame a chunk, and for small arrays as many whole leading axes as 64 KiB hold.
    chunk = [max(1, n) for n in shape]
    for axis in range(max(1, len(shape) - 3)):
        if np.prod(chunk) * itemsize > SMALL_CHUNK:
            chunk[axis] = 1
    return tuple(chunk)


class ContainerWriter:
    """Write a container: `with ContainerWriter(...) as out: with out.clip(sample_id) as clip: ...`.

    A `ClipError` or `MediaError` inside a clip removes that clip and lists it in the file with its reason; any other
    exception leaves no file behind.

    Raises:
        StorageError: the disk is full or not writable.
    """

    def __init__(
        self,
        path: str | Path,
        stage: str,
        variant: str = "",
        parameters: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        code: str = "",
        libraries: str = "",
        record: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self._attributes = {
            **(record or {}),
            "stage": stage,
            "variant": variant,
            "parameters": json.dumps(parameters or {}, sort_keys=True),
            "inputs": json.dumps(inputs or {}, sort_keys=True),
            "code": code,
            "libraries": libraries,
            "mer_version": __version__,
            "schema_version": SCHEMA_VERSION,
        }
        self._failures: dict[str, str] = {}
        self._ids: list[str] = []

    def __enter__(self) -> ContainerWriter:
        self._atomic = atomic_path(self.path)
        try:
            self._raw = _CheckedFile(self._atomic.__enter__())
        except OSError as error:
            self._atomic.__exit__(type(error), error, error.__traceback__)
            raise storage_error(self.path, error) from error
        self._file = h5py.File(self._raw, "w")
        self._file.attrs.update(self._attributes)
        self._file.create_group("clips")
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self._file["clip_ids"] = np.array(self._ids, dtype=h5py.string_dtype())
            self._file["failures"] = json.dumps(self._failures, ensure_ascii=False)
            self._file.attrs["complete"] = True
        self._file.close()
        if kind is None:
            write_seal(self._raw)
        self._raw.close()
        if kind is None and self._raw.error:
            error = self._raw.error
            kind, trace = type(error), error.__traceback__
        self._atomic.__exit__(kind, error, trace)

    def _check(self) -> None:
        if self._raw.error:
            raise storage_error(self.path, self._raw.error)

    @contextmanager
    def clip(self, sample_id: str) -> Iterator[ClipWriter]:
        """Yield the writer of one clip; a `ClipError` or `MediaError` in the block lists the clip as failed."""
        group = self._file["clips"].create_group(sample_id)
        try:
            yield ClipWriter(group, self._check)
            self._ids.append(sample_id)
        except (ClipError, MediaError) as error:
            del self._file["clips"][sample_id]
            self.fail(sample_id, error.line())
        self._check()

    def fail(self, sample_id: str, reason: str) -> None:
        """List a clip as excluded for `reason`."""
        self._failures[sample_id] = reason


class Clip:
    """One clip of a container being read; arrays are read lazily."""

    def __init__(self, sample_id: str, group: h5py.Group, path: Path, file: SealedFile) -> None:
        self.sample_id = sample_id
        self.group = group
        self.path = path
        self._file = file
        self.attributes: dict[str, Any] = {
            k: v.item() if isinstance(v, np.generic) else v for k, v in attributes(group, file).items()
        }

    def __contains__(self, name: str) -> bool:
        # Not `in`, which follows a link into another file.
        return self.group.get(name, getlink=True) is not None

    def names(self) -> list[str]:
        """Return the names of its arrays, sorted."""
        with _told(self.path, self.where):
            return sorted(self.group)

    @property
    def where(self) -> str:
        """File and clip, for messages."""
        return f"{self.path} clip {self.sample_id}"

    def lazy(self, name: str) -> h5py.Dataset:
        """Return the dataset without reading it; raises `ContainerError` when absent, or not the file's own data."""
        with _told(self.path, self.where):
            data = member(self.group, name)
            if data is None:
                raise ContainerError(self.where, f"has no array {name!r}", ", ".join(self.names()))
            if not isinstance(data, h5py.Dataset):
                raise ContainerError(self.where, f"{name!r} is no array", "an array", "run the stage that writes it")
            return data

    def read(self, name: str) -> np.ndarray:
        """Return a whole array; strings come back as str objects. Raises as `lazy`."""
        data = self.lazy(name)
        with _told(self.path, self.where):
            return whole(data, self._file)


_NOT_HDF5 = "not a readable HDF5 file: cut short or overwritten"
# What h5py and the reader of JSON raise over broken content.
_BROKEN = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, OverflowError, struct.error)


@contextmanager
def _told(path: Path, where: str) -> Iterator[None]:
    """Turn what broken or hostile content makes h5py raise in the block into one line."""
    try:
        yield
    except ContainerError:
        raise
    except Foreign as error:
        raise ContainerError(where, str(error), "data that mer wrote", "run the stage that writes it") from (
            error.with_traceback(None)
        )
    except _BROKEN as error:
        # Without its traceback, which would keep h5py's objects until after HDF5 has shut down, and crash the process.
        raise damaged(path, _NOT_HDF5) from error.with_traceback(None)


class Container:
    """Read a complete container: `with Container(path) as box: box.clip(sample_id).read("frames")`.

    What is read, now and later, is checked against the file's seal.

    Raises:
        ContainerError: the file is missing, cannot be opened, or is of a newer schema.
        DamagedContainer: its content is not HDF5, is unfinished, or is not what was written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.raw = SealedFile(self.path)
        if error := self._open():
            self.raw.close()
            raise error

    def _open(self) -> ContainerError | None:
        """Open the file under HDF5; return why that cannot be done, without the traceback (see `_told`)."""
        try:
            with _told(self.path, str(self.path)):
                self._file = h5py.File(self.raw, "r")
        except ContainerError as error:
            return error.with_traceback(None)
        try:
            with _told(self.path, str(self.path)):
                self._begin()
        except ContainerError as error:
            self._file.close()
            return error.with_traceback(None)
        return None

    def _begin(self) -> None:
        self.attributes = attributes(self._file, self.raw)
        if not self.attributes.get("complete", False):
            raise damaged(self.path, "left by an interrupted job")
        schema = self.attributes["schema_version"]
        if schema > SCHEMA_VERSION:
            raise ContainerError(self.path, f"schema version {schema}", f"at most {SCHEMA_VERSION}", "update mer")
        if schema >= SEALED and not self.raw.sealed:
            raise damaged(self.path, "cut short or changed: its end lacks the checksums")
        self.clip_ids: list[str] = list(whole(member(self._file, "clip_ids"), self.raw))
        if len(set(self.clip_ids)) < len(self.clip_ids):
            raise damaged(self.path, "lists a clip twice")
        self.failures: dict[str, str] = dict(json.loads(str(whole(member(self._file, "failures"), self.raw))))

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.raw.close()

    def clip(self, sample_id: str) -> Clip:
        """Return one clip; raises `ContainerError` when it is not in the file."""
        if sample_id not in self.clip_ids:
            reason = self.failures.get(sample_id, "not among its clips")
            raise ContainerError(self.path, f"no clip {sample_id}: {reason}")
        with _told(self.path, f"{self.path} clip {sample_id}"):
            group = member(self._file, f"clips/{sample_id}")
            if not isinstance(group, h5py.Group):
                raise damaged(self.path, f"lacks clip {sample_id}, which it lists")
            return Clip(sample_id, group, self.path, self.raw)

    def __iter__(self) -> Iterator[Clip]:
        for sample_id in self.clip_ids:
            yield self.clip(sample_id)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that the container was made with."""
        with _told(self.path, str(self.path)):
            return dict(json.loads(self.attributes["parameters"]))

    def chain(self) -> list[dict[str, Any]]:
        """Return the steps that led to the container, first one first; empty where it does not say."""
        with _told(self.path, str(self.path)):
            return list(json.loads(self.attributes.get("chain", "[]")))


@contextmanager
def amended(path: str | Path) -> Iterator[h5py.File]:
    """Yield a finished container to be changed in place, and seal it anew; left by an exception it stays unsealed."""
    raw = _CheckedFile(Path(path), "r+b")
    try:
        seal = read_seal(raw.fileno())
        if seal is not None:
            raw.truncate(seal[0])
        with h5py.File(raw, "r+") as file:
            yield file
        write_seal(raw)
        if raw.error:
            raise storage_error(path, raw.error)
    finally:
        raw.close()


def file_digest(path: str | Path) -> str:
    """Return the first 16 hex digits of a file's SHA-256."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]
