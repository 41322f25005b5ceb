"""Where PyTorch computes, and how exactly a CUDA device multiplies there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def float32_products(tf32: bool = False) -> Iterator[None]:
    """Let a CUDA device multiply float32 as float32 in the block, or with `tf32` from operands rounded to 10 bits.

    PyTorch lets cuDNN round the operands of convolutions and recurrent layers unless it is told not to, on every card
    since 2020; so many bits changed two of sixty labels of a small network. A CPU is not affected.
    """
    import torch

    products, layers = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, layers.allow_tf32
    try:
        products.allow_tf32 = layers.allow_tf32 = tf32
        yield
    finally:
        products.allow_tf32, layers.allow_tf32 = before
