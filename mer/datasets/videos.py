"""Any folder of video files as a database without labels: one row per file.

Folders are searched recursively; nothing is decoded here. Each file is its own subject unless
`subject: folder` says that the top folder names the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.errors import DatasetError
from mer.core.params import Params
from mer.core.sample import Sample
from mer.datasets import files
from mer.datasets.annotations import safe_id
from mer.datasets.reading import Reading

NAME = "videos"


class Options(Params):
    """Keys of this database in the configuration."""

    subject: Literal["file", "folder"] = Field(
        "file",
        description="who the people are: every file is one, or every top folder is (a file at the top is its own)",
    )


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return one row per video file below `root`; `errata` has no effect, none are known.

    Raises:
        DatasetError: the root is missing or holds no video.
    """
    root = files.checked_root(root, NAME)
    paths = [
        (folder / name).relative_to(root).as_posix()
        for folder, _, names in files.walk(root, root)
        for name in names
        if files.suffix_of(name) in files.VIDEOS
    ]
    if not paths:
        found = f"no video; found: {files.listing_text(root)}"
        raise DatasetError(
            f"{NAME}: {root}", found, "files ending in " + " ".join(files.VIDEOS), "correct the root (V01)"
        )
    return samples_from(paths, options)


def samples_from(paths: Sequence[str], options: Options) -> Reading:
    """Return one row per path (relative to the dataset root), sorted; opens no file."""
    reading = Reading(NAME, "")
    ids = _ids(sorted(paths))
    for path, sample_id in ids.items():
        parts = PurePosixPath(path).parts
        subject = safe_id(parts[0]) if options.subject == "folder" and len(parts) > 1 else sample_id.replace("/", "-")
        reading.samples.append(
            Sample(
                dataset=NAME,
                subject=subject,
                group=f"{NAME}:{subject}",
                sample_id=sample_id,
                video_id=sample_id,
                media_path=path,
                media_kind="video",
                view="long",
                expression_type="clip",
            )
        )
    return reading


def _ids(paths: Sequence[str]) -> dict[str, str]:
    """Return path -> id: the path without extension, with it where two files would share an id or a folder's name."""
    plain = {path: "/".join(safe_id(part) for part in PurePosixPath(path).with_suffix("").parts) for path in paths}
    full = {path: "/".join(safe_id(part) for part in PurePosixPath(path).parts) for path in paths}
    folders = {str(parent) for name in plain.values() for parent in PurePosixPath(name).parents}
    taken: dict[str, int] = {}
    for name in plain.values():
        taken[name.casefold()] = taken.get(name.casefold(), 0) + 1
    ids: dict[str, str] = {}
    used: set[str] = set()
    for path in paths:
        name = full[path] if taken[plain[path].casefold()] > 1 or plain[path] in folders else plain[path]
        turn = 1
        while (unique := name if turn == 1 else f"{name}-{turn}").casefold() in used:
            turn += 1
        used.add(unique.casefold())
        ids[path] = unique
    return ids
