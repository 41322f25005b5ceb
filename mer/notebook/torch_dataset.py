"""The clips of a product as a data set of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from mer.core.container import Container
from mer.notebook.arrays import Source, labels_of, read_array, usual_array

if TYPE_CHECKING:
    import pandas as pd


class ClipDataset(Dataset[tuple[Any, int]]):
    """Clips that are read when they are asked for: `dataset[i]` gives a tensor and the number of its class.

    Frames come channels first, (..., 3, S, S) float32 in 0–1; every other array as the product has it. Nothing is held
    open, and what is cached is not pickled, so that workers of a `DataLoader` may be started in any way.

    Args:
        source: the clips.
        product: its name.
        classes: of the view, in order.
        array: of the product; the usual one when None.
        size: side in pixels that images are averaged to; None leaves them.
        transform: applied to every tensor; a function of a module where workers are spawned.
        cache: keep every clip in memory once it was read, as many as this process has asked for.

    Attributes:
        classes: the names behind the numbers.
        y: (N,) classes, as `run.arrays` gives them: `run.folds(…).split(y=dataset.y)`.
        groups: (N,) persons.
    """

    def __init__(
        self,
        source: Source,
        product: str,
        classes: Sequence[str],
        array: str | None = None,
        size: int | None = None,
        transform: Callable[[torch.Tensor], Any] | None = None,
        cache: bool = False,
    ) -> None:
        self.product, self.classes, self.array, self.size = product, tuple(classes), array, size
        self.transform, self.cache = transform, cache
        self._read_before: dict[int, torch.Tensor] = {}
        self.y: pd.Series
        self.groups: pd.Series
        self.y, self.groups = labels_of(source.rows, classes)
        self.labels: np.ndarray = np.asarray(self.y.cat.codes, np.int64)
        self._clips: list[tuple[Path, str]] = [
            (path, row.sample_id) for row, path in zip(source.rows, source.paths, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        """Return the tensor of a clip, and the number of its class in `classes`."""
        tensor = self._read_before[place].clone() if place in self._read_before else self._read(place)
        return (tensor if self.transform is None else self.transform(tensor)), int(self.labels[place])

    def _read(self, place: int) -> torch.Tensor:
        path, sample_id = self._clips[place]
        with Container(path) as box:
            clip = box.clip(sample_id)
            array = usual_array(self.product, self.array, clip)
            values = read_array(clip, array, self.size)
        if array == "frames":
            values = np.moveaxis(values, -1, -3).astype(np.float32) / np.float32(255)
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        if self.cache:
            self._read_before[place] = tensor.clone()
        return tensor

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read_before": {}}

    def __repr__(self) -> str:
        return f"<{len(self)} clips of {self.product}, classes {', '.join(self.classes)}>"
