"""Batches of image pairs on a device, for the estimators that take many pairs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mer.core.device import require_device
from mer.core.errors import ConfigError

if TYPE_CHECKING:
    import torch


def on_device(
    name: str, firsts: np.ndarray, seconds: np.ndarray, least: int, device: str, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return grey images (B or 1, H, W) and (B, H, W) as tensors of a type on a device.

    Args:
        name: of the estimator, in messages.
        firsts: (B, H, W), or (1, H, W), the first image of all.
        seconds: (B, H, W).
        least: the shortest side that the estimator takes, pixels.
        device: `cpu` or `cuda`.
        dtype: of the tensors.

    Raises:
        ConfigError: the images are too small, or the device is not there.
        ValueError: the shapes do not fit.
    """
    import torch

    fitting = firsts.ndim == seconds.ndim == 3 and len(firsts) in (1, len(seconds))
    if not fitting or firsts.shape[1:] != seconds.shape[1:]:
        raise ValueError(f"expected two (B, H, W) arrays, found {firsts.shape} and {seconds.shape}")
    if min(firsts.shape[1:]) < least:
        found = f"images of {firsts.shape[2]} x {firsts.shape[1]} pixels"
        raise ConfigError(name, found, f"sides of at least {least}", "use a larger size")
    require_device(device)
    one, two = (torch.from_numpy(np.ascontiguousarray(images)).to(device, dtype) for images in (firsts, seconds))
    return one, two
