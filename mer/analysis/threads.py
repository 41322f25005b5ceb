"""Small pictures are not worth a thread each: threads of OpenCV and PyTorch that wait for one another cost more."""

from __future__ import annotations


def one_thread() -> None:
    """Let OpenCV and PyTorch work in the calling thread."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
