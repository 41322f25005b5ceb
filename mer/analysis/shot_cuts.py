"""Cuts between shots, and pictures that could not be decoded, seen in passing on the way to alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

SMALL = (32, 18)  # width, height of the pictures that are compared
CHANGE = 12.0  # grey levels by which they differ on average across a cut
ALIKE = 0.75  # correlation that pictures of one shot exceed, whatever the light


class CutDetector:
    """Pass pictures on, and note what is odd about them.

    Attributes:
        lost: (T,) bool by position: the picture could not be decoded, its neighbour stands in for it.
        cuts: positions of the first pictures after a cut.
    """

    def __init__(self) -> None:
        self.lost: list[bool] = []
        self.cuts: list[int] = []
        self._before: np.ndarray | None = None

    def __call__(self, pictures: Iterable[np.ndarray | None], step: Callable[[], None]) -> Iterator[np.ndarray]:
        """Yield a picture (H, W, 3) uint8 for each one given; those missing at the start repeat the first one there.

        Args:
            pictures: None where one could not be decoded.
            step: called once for each.
        """
        for picture, lost in filled(pictures):
            if not lost and self._cut(picture):
                self.cuts.append(len(self.lost))
            self.lost.append(lost)
            step()
            yield picture

    def _cut(self, picture: np.ndarray) -> bool:
        import cv2

        grey = cv2.cvtColor(cv2.resize(picture, SMALL, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        before, self._before = self._before, grey.astype(np.float32)
        return before is not None and is_cut(before, self._before)


def filled(pictures: Iterable[np.ndarray | None]) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield (picture, missing): a missing one is replaced by the last one before it, or by the first there is."""
    last: np.ndarray | None = None
    waiting = 0
    for picture in pictures:
        if picture is None and last is None:
            waiting += 1
            continue
        if picture is not None:
            for _ in range(waiting):
                yield picture, True
            waiting, last = 0, picture
        assert last is not None
        yield last, picture is None


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Tell whether two small grey pictures (H, W) float32 belong to different shots.

    They do when they differ much and do not resemble each other: a flash changes much, but keeps the likeness.
    """
    if float(np.abs(after - before).mean()) < CHANGE:
        return False
    one, two = before - before.mean(), after - after.mean()
    power = float(np.sqrt((one * one).sum() * (two * two).sum()))
    return power == 0 or float((one * two).sum()) / power < ALIKE
