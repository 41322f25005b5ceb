"""Where PyTorch computes."""

from __future__ import annotations

from mer.core.errors import ConfigError, MerError


def require_device(device: str, fault: type[MerError] = ConfigError) -> None:
    """Refuse a device that is not there.

    Args:
        device: `cpu` or `cuda`.
        fault: the kind of the error.

    Raises:
        MerError: of the kind `fault`: a CUDA device is asked for and PyTorch finds none.
    """
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise fault("device", "no CUDA device is available", "cpu", "set the device to cpu")
