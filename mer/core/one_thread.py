"""One thread for a process that has others beside it."""

from __future__ import annotations

import os
import sys


def one_thread_each() -> None:
    """Let OpenCV, and PyTorch where it is used, compute with one thread in this process.

    Small pictures are not worth a thread each: threads that wait for one another cost more. PyTorch is not loaded for
    it, which takes as long as many a film.
    """
    import cv2

    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for a PyTorch that is loaded later
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
