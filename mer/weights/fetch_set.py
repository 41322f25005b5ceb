"""Putting a set of published Keras files, one per held-out person, into the user's cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mer.core.atomic import atomic_path, write_json
from mer.core.errors import ModelError
from mer.weights.keras import read_keras
from mer.weights.locate import cache_folder, sha256
from mer.weights.releases import FILE, RELEASES, Release

LICENCE = "none known to mer: as the owners' repository says; not to be redistributed"


def set_folder(name: str) -> Path:
    """Return where a published set lies once fetched; its digests are in the `.json` beside it."""
    return cache_folder() / name


def fetch_set(name: str, local: Path | None, accept_licence: bool, log: Callable[[str], None]) -> Path:
    """Check every file of a set and copy the set into the cache; arguments as `mer.weights.fetch.fetch`.

    Args:
        local: the folder of the release that holds the files, `s1.hdf5` and so on.

    Raises:
        ModelError: licence not accepted, no folder given, or a file of it is missing or not such a network.
        StorageError: the disk is full or not writable.
    """
    known, target = RELEASES[name], set_folder(name)
    if not accept_licence:
        found = f"licence: {LICENCE}; source: {known.source}"
        raise ModelError(f"weights {name}", found, "your agreement", "repeat with --accept-licence")
    if local is None or not Path(local).is_dir():
        remedy = f"get the folder {known.folder} from {known.source} and repeat with --file FOLDER"
        raise ModelError(f"weights {name}", "cannot be downloaded by mer", "a folder of files", remedy)
    files = {number: Path(local) / FILE.format(number=number) for number in known.numbers}
    for path in files.values():
        read_keras(path, known.network, len(known.classes))
    for number, path in files.items():
        with atomic_path(target / FILE.format(number=number)) as temporary:
            shutil.copyfile(path, temporary)
    digests = {FILE.format(number=n): sha256(target / FILE.format(number=n)) for n in known.numbers}
    write_json(note_of(name), {"name": name, "licence": LICENCE, "source": known.source, "files": digests})
    log(f"{name}: {len(files)} files in {target}")
    return target


def note_of(name: str) -> Path:
    """Return the file that says which digests a fetched set had when it was accepted."""
    return cache_folder() / f"{name}.json"


def require_accepted(name: str, path: Path) -> None:
    """Refuse a file of a set that is not the one that was fetched; raises `ModelError`."""
    try:
        accepted = json.loads(note_of(name).read_text(encoding="utf-8"))["files"].get(path.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        accepted = None
    if accepted != sha256(path):
        found, remedy = f"sha256 {sha256(path)[:16]}…", "the file was changed or damaged: fetch the set again"
        raise ModelError(path, found, f"{str(accepted)[:16]}… of {name}", remedy)


def listing() -> list[Mapping[str, Any]]:
    """Return one object per set, with the keys of `mer.weights.fetch.listing`, and `files`, their number."""
    return [_row(name, known) for name, known in sorted(RELEASES.items())]


def _row(name: str, known: Release) -> Mapping[str, Any]:
    network = "softnet" if known.network == "softnet" else "mean"
    said = {"softnet": known.kind, "spot": "spotting", "recog": "recognition"}[known.network]
    state = "fetched" if note_of(name).is_file() else "not fetched"
    told = {"name": name, "network": network, "variant": f"{said} {known.database}", "state": state}
    return {
        **told,
        "files": len(known.numbers),
        "size": None,
        "sha256": None,
        "licence": LICENCE,
        "source": known.source,
    }
