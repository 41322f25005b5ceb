"""Numbers and words as every page and table of the report writes them."""

from __future__ import annotations

import re

# C0 and C1 controls but tab and line feed; lone surrogates; marks that reorder or hide the text around them.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def plain(text: object) -> str:
    """Return text without control characters and marks that change the direction of writing."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", str(text))


def number(value: float) -> str:
    """Return a score in [0, 1], or a difference of two, with three decimals and a true minus sign."""
    return f"{value:.3f}".replace("-", "−")


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not 1."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
