"""Folders of images that no row uses (V14): those the reader knows as clips, and those it does not recognise."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mer.core.sample import Sample
from mer.datasets.contract import Database
from mer.datasets.files import folded, image_folders


def unrecognised(root: Path, samples: Iterable[Sample], known: Iterable[str], card: Database) -> list[str]:
    """Return the image folders beside the clips that are neither used by a row nor in `known`, sorted.

    Looks below the deepest folder that the clips of one tree share. Folders that the owners ship beside the clips
    (`non_micro`, `depth`) are not listed.

    Args:
        root: the dataset's folder, symlinks resolved.
        samples: canonical rows.
        known: folders already reported, relative to the root.
        card: the database, which names the folders beside its clips.
    """
    used = {sample.media_path for sample in samples if sample.media_path and sample.media_kind == "frames"}
    trees: dict[str, list[str]] = {}
    for path in sorted(used):
        trees.setdefault(path.partition("/")[0], []).append(path)
    # Clips missing from one tree may be taken from another: only the main one is looked through.
    main = max(trees.values(), key=len, default=[])
    if len(main) < 2:
        return []
    shared = os.path.commonpath(main)
    told = used | set(known)
    beside = {name for tree in card.trees for name in tree.beside}
    return sorted(
        str(folder)
        for folder, _ in image_folders(root, root / shared)
        if str(folder) not in told and not any(folded(part) in beside for part in folder.parts)
    )
