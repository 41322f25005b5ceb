"""The peer of `mer bench feeding`: clips in host memory as float32, prepared batch by batch by the thread that trains.

Indexed, scaled by statistics of the training clips and laid out for the network with NumPy and PyTorch on the CPU, as a
training loop is usually written; what it returns would still have to be copied to a card.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mer.models.clip_frames import DEVIATION, MEAN
from mer.models.state import Features, by_name

Prepare = Callable[[np.ndarray], list[torch.Tensor]]


def preparation(system: str, preset: Any, features: Features) -> Prepare:
    """Return how the peer makes a batch, given the (B,) indices of its clips, of a system's features."""
    arrays = {name: np.asarray(array) for name, array in by_name(features).items()}
    if system in ("dual_branch", "dual_branch_msmh"):
        clips = [_channels_first(array) for array in arrays.values()]
        return lambda batch: [_scaled(clip, batch).contiguous(memory_format=LAST) for clip in clips]
    if system == "au_fusion":
        return _fused(arrays, preset)
    x, scale = arrays[""].astype(np.float32), np.array([[0.0], [1.0]])
    return lambda batch: [torch.from_numpy(np.asarray((x[batch] - scale[0]) / scale[1], np.float32))]


LAST = torch.channels_last_3d


def _channels_first(frames: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frames.transpose(0, 4, 1, 2, 3), np.float32) / np.float32(255)


def _scaled(clips: np.ndarray, batch: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(clips[batch]) - 0.5) / 0.3


def _fused(arrays: dict[str, np.ndarray], preset: Any) -> Prepare:
    clips, patches = _channels_first(arrays["clip"]), arrays["patches"]
    mean, deviation = (value.reshape(1, 3, 1, 1, 1) for value in (MEAN, DEVIATION))
    factors, maps = patches.shape[1:3]

    def prepare(batch: np.ndarray) -> list[torch.Tensor]:
        drawn = torch.randint(factors, (len(batch), maps)).numpy()
        taken = patches[batch[:, None], drawn, np.arange(maps)[None]]
        shown = clips[batch]
        shown = shown[:, ::-1] * np.float32(255) if preset.clip_norm == "raw" else (shown - mean) / deviation
        return [torch.from_numpy(taken), torch.from_numpy(np.ascontiguousarray(shown))]

    return prepare
