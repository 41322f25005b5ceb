"""What a stage gets for one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.core.container import Clip

#: Attribute of a clip: its annotated events whose own image is not on disk, with their file numbers, as `apex 58`.
ABSENT = "absent"


def unknown(event: str, absent: object) -> tuple[str, str]:
    """Return why it is not known where an event is, and what is expected.

    Args:
        event: `onset`, `apex` or `offset`.
        absent: the clip's attribute `ABSENT`, None where it has none.
    """
    numbers = dict(one.split() for one in str(absent).split(", ")) if absent else {}
    if event in numbers:
        return f"the image of its {event} is missing (frame {numbers[event]})", "the image of the annotated frame"
    return f"{event} unknown", "an annotated one"


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
