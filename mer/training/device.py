"""Where a fit runs."""

from __future__ import annotations

from collections.abc import Callable


def choose_device(gpus: int, log: Callable[[str], None]) -> str:
    """Return `cuda` when the job has a GPU and PyTorch can use one, `cpu` otherwise; the log says which and why."""
    if not gpus:
        log("device: cpu (the job asked for no GPU)")
        return "cpu"
    import torch

    if torch.cuda.is_available():
        log(f"device: cuda ({torch.cuda.get_device_name()})")
        return "cuda"
    log("device: cpu (PyTorch finds no CUDA device)")
    return "cpu"
