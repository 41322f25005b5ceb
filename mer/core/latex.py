"""Text in LaTeX."""

from __future__ import annotations

_RESERVED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    character: f"\\{character}" for character in "&%$#_{}"
}


def escape(text: str) -> str:
    """Return text with the characters that LaTeX reserves escaped."""
    return "".join(_RESERVED.get(character, character) for character in text)
