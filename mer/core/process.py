"""What a process that lives for seconds does about Python's garbage collector."""

from __future__ import annotations

import atexit
import gc

# Importing PyTorch makes some million objects, none of them garbage. By default the collector looks through all of them
# again and again, and once more at the end: a third of the life of a job that predicts a few clips.
_THRESHOLDS = (50_000, 20, 20)


def short_lived() -> None:
    """Let the collector look for garbage less often from now on, and not at all when the process ends."""
    gc.set_threshold(*_THRESHOLDS)
    atexit.register(gc.freeze)
