"""A video whose parts are aligned: one place to ask for the part of a frame, and for what is stored of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mer.analysis.footage import Footage
from mer.analysis.parts import CLIP, Part
from mer.core.container import Clip, Container


@dataclass(frozen=True)
class AlignedVideo:
    """Footage, its parts, and the folder of their containers (`mer.analysis.parts`)."""

    footage: Footage
    parts: Sequence[Part]
    folder: Path

    def part_at(self, frame: int) -> Part:
        """Return the part that a frame of the grid belongs to."""
        return next(part for part in self.parts if part.start <= frame < part.own)

    @contextmanager
    def clip(self, part: Part, stage: str = "align") -> Iterator[Clip | None]:
        """Open what one stage made of a part; None where it could not be made, for a reason that `failure` tells."""
        with Container(part.path(self.folder, stage)) as box:
            yield box.clip(CLIP) if CLIP in box.clip_ids else None

    def failure(self, part: Part, stage: str = "align") -> str:
        """Return why a stage could not make a part."""
        with Container(part.path(self.folder, stage)) as box:
            return box.failures[CLIP]
