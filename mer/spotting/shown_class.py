"""The class that a movement with a known emotion belongs to, for implants and what is learned from them."""

from __future__ import annotations

from mer.datasets.views import view_of

CLASSES = view_of("emotion_3")


def shown_class(emotion: str) -> str:
    """Return the class of an emotion (`mer.simulate.content.SHOWN`) in `emotion_3`, '' where it has none."""
    return next((name for name, takes in CLASSES.block.classes.items() if emotion in takes.emotions), "")
