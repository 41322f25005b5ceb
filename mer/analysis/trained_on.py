"""What is known of the training of spotting models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Training:
    """What is known of how models were trained: frame rate, alignment, and a sentence for the page."""

    fps: float
    method: str
    align: Mapping[str, Any]
    text: str
