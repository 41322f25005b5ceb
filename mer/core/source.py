"""What a stage gets for one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.core.container import Clip


@dataclass(frozen=True)
class Source:
    """One clip on its way into a stage.

    Args:
        row: the label-free index row (`mer.core.sample.media_row`).
        root: the dataset's folder, for the stages that read the owner's media; None otherwise.
        clip: the clip in the product that the variant names under `from`; None for `from: index`.
    """

    row: Mapping[str, Any]
    root: Path | None = None
    clip: Clip | None = None
