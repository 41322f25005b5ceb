"""Any folder of video files as a database without labels: one row per file.

Folders are searched recursively; nothing is decoded here. Each file is its own subject unless
`subject: folder` says that the top folder names the person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.errors import DatasetError
from mer.core.filenames import VIDEOS
from mer.core.params import Params
from mer.core.sample import Sample
from mer.datasets import files
from mer.datasets.annotations import safe_id
from mer.datasets.contract import Database, MediaTree, Reader
from mer.datasets.files import scan_videos
from mer.datasets.reading import Listing, Reading


class Options(Params):
    """Keys of this database in the configuration."""

    subject: Literal["file", "folder"] = Field(
        "file",
        description="who the people are: every file is one, or every top folder is (a file at the top is its own)",
    )


class _Videos(Reader[Options]):
    """A user's own material; its `table` and `errata` are without effect."""

    def read(self, root: Path, options: Options, errata: bool = True) -> Reading:
        """See `Reader.read`."""
        root = files.checked_root(root, self.name)
        listing = scan_videos(root, root)
        if not listing:
            fault = f"no video; found: {files.listing_text(root)}"
            raise DatasetError(
                f"{self.name}: {root}", fault, "files ending in " + " ".join(VIDEOS), "correct the root (V01)"
            )
        return self.samples_from((), listing, options, "", errata)

    def samples_from(
        self,
        table: Sequence[Mapping[str, str]],
        listing: Listing,
        options: Options,
        release: str,
        errata: bool = True,
        **beside: Sequence[Mapping[str, str]],
    ) -> Reading:
        """See `Reader.samples_from`: one row per file of the listing, whatever its key, sorted."""
        reading = Reading(self.name, release)
        (tree,) = self.databases[0].trees
        ids = _ids(sorted(path for paths in listing.values() for path in paths))
        for path, sample_id in ids.items():
            top, *below = PurePosixPath(path).parts
            subject = safe_id(top) if options.subject == "folder" and below else sample_id.replace("/", "-")
            reading.samples.append(
                Sample(
                    dataset=self.name,
                    subject=subject,
                    group=f"{self.name}:{subject}",
                    sample_id=sample_id,
                    video_id=sample_id,
                    media_path=path,
                    media_kind="video",
                    view=tree.view,
                    expression_type="clip",
                )
            )
        return reading


def _ids(paths: Sequence[str]) -> dict[str, str]:
    """Return path -> id: the path without extension, with it where two files would share an id or a folder's name."""
    plain = {path: "/".join(safe_id(part) for part in PurePosixPath(path).with_suffix("").parts) for path in paths}
    full = {path: "/".join(safe_id(part) for part in PurePosixPath(path).parts) for path in paths}
    folders = {str(parent) for name in plain.values() for parent in PurePosixPath(name).parents}
    taken = Counter(name.casefold() for name in plain.values())
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


READER = _Videos(
    name="videos",
    options=Options,
    licence=None,
    databases=(Database(name="videos", trees=(MediaTree(view="long"),)),),
)
