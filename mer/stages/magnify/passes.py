"""One pass over a clip for as many factors as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

# Bytes of magnified frames that are held at once; a clip at one factor is, whatever its size.
HELD = 64 << 20

Visit = Callable[[Sequence[float]], Iterable[tuple[int, Iterable[np.ndarray]]]]


def by_factor(count: int, shape: tuple[int, ...], alphas: Sequence[float], visit: Visit) -> Iterator[np.ndarray]:
    """Yield the magnified clip of each factor in turn.

    Args:
        count: number of frames F.
        shape: of a frame, (S, S, 3).
        alphas: the factors.
        visit: given some of the factors, goes through all frames in an order of its own and yields the index of each
            with its magnified versions (S, S, 3) uint8, one per factor. Called more than once when the frames of all
            factors are too many to hold.

    Yields:
        (F, S, S, 3) uint8.
    """
    together = max(1, HELD // max(1, count * int(np.prod(shape))))
    for start in range(0, len(alphas), together):
        group = alphas[start : start + together]
        clips = np.empty((len(group), count, *shape), np.uint8)
        for index, images in visit(group):
            for clip, image in zip(clips, images, strict=True):
                clip[index] = image
        yield from clips
