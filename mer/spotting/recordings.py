"""Features of recordings out of their containers: chosen positions for training, blocks in order for prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from mer.core.container import Container
from mer.spotting.recording_tables import Video, positions_of
from mer.training.products import Chains, Containers, Product

BLOCK = 256


@dataclass(frozen=True)
class Recording:
    """One recording as the network sees it.

    Args:
        video: its row, with the expressions.
        features: (P, 3, 42, 42) float16, read lazily.
        numbers: (T,) file number of each of its frames, T = P + distance.
        quality: (P,) alignment quality of each pair, 0-1.
        distance: frames between the two frames of a pair.
        fps: frames per second; None when unknown.
    """

    video: Video
    features: h5py.Dataset
    numbers: np.ndarray
    quality: np.ndarray
    distance: int
    fps: float | None

    @property
    def positions(self) -> int:
        """Number of frame pairs."""
        return len(self.features)

    def intervals(self, kind: str) -> np.ndarray:
        """Return onset, apex and offset (E, 3) of its expressions of one kind, as frame indices."""
        return positions_of(self.video.of_kind(kind), self.numbers)


class Opened:
    """The recordings of a table, open for reading: a context manager.

    Args:
        videos: rows.
        kind: of expression: the name of the input that holds the features.
        containers: `{input: {source: path}}`; only the sources of `videos` are opened.

    Raises:
        ModelError: no container for a source, or containers made with different parameters.
        ContainerError: a container is missing, unfinished, or lacks a recording without saying why.
    """

    def __init__(
        self, videos: Sequence[Video], kind: str, containers: Containers, chains: Chains | None = None
    ) -> None:
        self.videos = sorted(videos, key=lambda video: video.key)
        self.recordings: list[Recording] = []
        self.excluded: list[tuple[Video, str]] = []
        self._product = Product(kind, containers, chains)
        self._stack = ExitStack()

    @property
    def made(self) -> dict[str, Any]:
        """Stage and parameters of the features; empty where no recording was to be opened."""
        return self._product.made

    def __enter__(self) -> Opened:
        boxes: dict[str, Container] = {}
        try:
            for video in self.videos:
                if video.source not in boxes:
                    boxes[video.source] = self._stack.enter_context(self._product.open(video.source))
                self._add(boxes[video.source], video)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _add(self, box: Container, video: Video) -> None:
        if video.sample_id in box.failures:
            self.excluded.append((video, box.failures[video.sample_id]))
            return
        clip = box.clip(video.sample_id)
        pairs = clip.read("numbers")
        distance = int(clip.attributes["distance"])
        numbers = np.concatenate([pairs[:, 0], pairs[-distance:, 1]])
        fps = float(clip.attributes.get("fps") or 0) or None
        features, quality = clip.lazy("features"), clip.read("quality")
        self.recordings.append(Recording(video, features, numbers, quality, distance, fps))


def at(features: h5py.Dataset, positions: np.ndarray) -> np.ndarray:
    """Return the features at ascending positions (K,), (K, 3, 42, 42) float32, reading one block at a time."""
    chosen = np.empty((len(positions), *features.shape[1:]), np.float32)
    for start in range(0, len(features), BLOCK):
        first, last = np.searchsorted(positions, (start, start + BLOCK))
        if last > first:
            chosen[first:last] = features[start : start + BLOCK][positions[first:last] - start]
    return chosen


def blocks(features: h5py.Dataset) -> Iterator[np.ndarray]:
    """Yield all features in order, (N, 3, 42, 42) float32, N <= `BLOCK`."""
    for start in range(0, len(features), BLOCK):
        yield features[start : start + BLOCK].astype(np.float32)
