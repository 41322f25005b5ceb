"""`mer weights`: the list of known weights, and putting a published file into the user's cache when asked to.

A file is downloaded, or copied from where the user has it, under a temporary name, checked for size and SHA-256, and
renamed. Nothing else in `mer` opens a connection.
"""

from __future__ import annotations

import hashlib
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from mer.core.atomic import atomic_path, write_json
from mer.core.errors import ModelError
from mer.core.progress import each
from mer.core.registry import nearest
from mer.weights.fetch_set import fetch_set
from mer.weights.fetch_set import listing as sets
from mer.weights.locate import FILES, SUFFIXES, cached
from mer.weights.registry import WEIGHTS, Weights
from mer.weights.releases import RELEASES

BLOCK = 1 << 20
TIMEOUT = 60


def fetch(
    name: str, local: Path | None = None, accept_licence: bool = False, log: Callable[[str], None] = print
) -> Path:
    """Put published weights into the cache and return their path.

    Args:
        name: a name of `WEIGHTS`.
        local: a file that the user already has, the archive it came in, or the folder of a set of Keras files;
            nothing is downloaded then.
        accept_licence: the user agreed to the licence that the registry names.
        log: receives one line per step.

    Raises:
        ModelError: unknown name, licence not accepted, no connection, no digest to check a download by, or a file of
            another size or SHA-256. What was in the cache stays.
        StorageError: the disk is full or not writable.
    """
    if name in RELEASES:
        return fetch_set(name, local, accept_licence, log)
    if name not in WEIGHTS:
        remedy = nearest(name, [*WEIGHTS, *RELEASES])
        raise ModelError(f"weights {name!r}", "unknown", "a name of `mer weights list`", remedy)
    known = WEIGHTS[name]
    if known.file is not None:
        log(f"{name} comes with mer: nothing to fetch")
        return FILES / known.file
    if not accept_licence:
        found = f"licence: {known.licence}; source: {known.source}"
        raise ModelError(f"weights {name}", found, "your agreement", "repeat with --accept-licence")
    if local is None and (known.url is None or known.sha256 is None):
        remedy = f"get it from {known.source} and repeat with --file"
        raise ModelError(f"weights {name}", "cannot be downloaded by mer", "a local file", remedy)
    target = cached(name)
    with atomic_path(target) as temporary:
        if local is not None:
            _from_local(Path(local), temporary, known)
        else:
            _from_url(str(known.url), temporary, known, log)
        digest = _verify(local or known.url or name, temporary, known)
    note = {"name": name, "sha256": digest, "licence": known.licence, "source": known.source}
    write_json(target.with_suffix(".json"), note)
    log(f"{name}: {target}, sha256 {digest}")
    return target


def _from_local(local: Path, temporary: Path, known: Weights) -> None:
    if not local.is_file():
        raise ModelError(local, "file not found", f"the weights from {known.source}")
    # A PyTorch file is a zip archive too: only the name says which of the two this is.
    if local.suffix == ".zip":
        _extract(local, temporary, known)
    elif local.suffix in SUFFIXES:
        shutil.copyfile(local, temporary)
    else:
        raise ModelError(local, f"suffix {local.suffix or 'missing'}", f"one of {', '.join(sorted(SUFFIXES))}, .zip")


def _from_url(url: str, temporary: Path, known: Weights, log: Callable[[str], None]) -> None:
    limit = known.download or known.size or 0
    log(f"downloading {url} ({limit / 1e6:.1f} MB)")
    part = temporary.with_name(f"{temporary.name}.zip") if known.member else temporary
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, open(part, "wb") as out:
            _copy(url, answer, out, limit)
        if known.member:
            _extract(part, temporary, known)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        remedy = "check the connection, or download it by hand and repeat with --file"
        raise ModelError(url, f"cannot be downloaded ({reason})", remedy=remedy) from error
    finally:
        if part != temporary:
            part.unlink(missing_ok=True)


def _copy(where: object, source: IO[bytes], out: IO[bytes], limit: int) -> None:
    """Copy a stream that must be exactly `limit` bytes long; never more than that is written."""
    done = 0
    for block in each(iter(lambda: source.read(BLOCK), b""), "MiB", 1 + limit // BLOCK):
        done += len(block)
        if done > limit:
            raise ModelError(where, f"more than {limit} bytes", f"{limit} bytes", "the file there is another one")
        out.write(block)
    if done < limit:
        raise ModelError(where, f"ends after {done} bytes", f"{limit} bytes", "try again")


def _extract(archive: Path, temporary: Path, known: Weights) -> None:
    """Take the weight file out of an archive; its declared size must be the registered one before it is unpacked."""
    wanted = known.member or cached_suffix(known)
    try:
        with zipfile.ZipFile(archive) as box:
            members = [item for item in box.infolist() if item.filename.rsplit("/", 1)[-1] == wanted]
            if len(members) != 1:
                raise ModelError(archive, f"{len(members)} files named {wanted}", "one")
            size = known.size if known.size is not None else min(members[0].file_size, 1 << 30)
            with box.open(members[0]) as source, open(temporary, "wb") as out:
                _copy(f"{archive}: {members[0].filename}", source, out, size)
    except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError) as error:
        raise ModelError(archive, "not a readable zip archive", f"the archive with {wanted}", "get it again") from error


def cached_suffix(known: Weights) -> str:
    """Return the name that a weight file without a registered archive has inside one."""
    return "flownet.pkl" if known.network == "ifnet" else known.source.rsplit("/", 1)[-1]


def _verify(where: object, path: Path, known: Weights) -> str:
    """Return the SHA-256 of a file; raises when it or the size differs from what is registered."""
    size = path.stat().st_size
    if known.size is not None and size != known.size:
        raise ModelError(where, f"{size} bytes", f"{known.size} bytes", "this is another file than the published one")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if known.sha256 is not None and digest != known.sha256:
        raise ModelError(where, f"sha256 {digest}", known.sha256, "this is another file than the published one")
    return digest


def listing() -> list[Mapping[str, Any]]:
    """Return one object per registered file or set: name, network, variant, state here, size, digest, licence, source.

    `files` counts those of a set (`mer.weights.releases`); 1 for a single file.
    """
    kept = ("size", "sha256", "licence", "source")
    rows: list[Mapping[str, Any]] = []
    for name, known in sorted(WEIGHTS.items()):
        state = "bundled" if known.bundled else "fetched" if cached(name).is_file() else "not fetched"
        told = {"name": name, "network": known.network, "variant": known.variant, "state": state}
        rows.append({**told, "files": 1, **{field: getattr(known, field) for field in kept}})
    return [*rows, *sets()]


def render(rows: list[Mapping[str, Any]]) -> str:
    """Return the rows of `listing` as text, two lines per file."""
    lines = []
    for row in rows:
        size = f"{row['size'] / 1e6:.1f} MB" if row["size"] else "size unknown"
        size = f"{row['files']} files" if row["files"] > 1 else size
        lines.append(f"{row['name']:<14} {row['network']} {row['variant']:<7} {row['state']:<12} {size}")
        lines.append(f"{'':<14} {row['licence']}; {row['source']}")
    return "\n".join(lines)
