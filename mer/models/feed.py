"""How clips reach a network: they lie on the training device as they were read, and a batch is a choice of rows there.

Frames stay uint8 until a batch is made of them, a quarter of what float32 takes. A common array is brought to a device
once, however many folds read it (`mer.models.clip_array`). Where it does not fit, threads gather the next batches into
page-locked memory while the device computes.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from mer.models.clip_array import ClipArray

#: Share of a device's free memory that clips may take; the rest is the network's.
SHARE = 0.6
#: Batches that are gathered ahead, and threads that gather them, where clips do not fit on the device.
AHEAD, THREADS = 3, 2

Batch = dict[str, torch.Tensor]
_RESIDENT: dict[tuple[int, str], tuple[weakref.ref[np.ndarray], torch.Tensor]] = {}


class Feed:
    """The clips of a training or a prediction where a network reads them.

    Args:
        x: arrays by name, all of the same clips.
        place: the device.
        resident: whether they lie on the device; None: where they fit.
    """

    def __init__(
        self, x: Mapping[str, np.ndarray | ClipArray], place: torch.device, resident: bool | None = None
    ) -> None:
        self.place = place
        arrays = {name: ClipArray.of(array) for name, array in x.items()}
        self.count = len(next(iter(arrays.values())))
        self.resident = _fits(arrays.values(), place) if resident is None else resident
        where = place if self.resident else torch.device("cpu")
        self._whole = {name: _brought(array.whole, where) for name, array in arrays.items()}
        self._rows = {name: torch.from_numpy(array.rows).to(where) for name, array in arrays.items()}
        self._next: deque[tuple[torch.Tensor, Future[Batch]]] = deque()
        self._order: deque[torch.Tensor] = deque()
        # A copy out of page-locked memory runs beside the device's work.
        self._pinned = place.type == "cuda"
        self._threads = None if self.resident else ThreadPoolExecutor(THREADS, "feed")

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def coming(self, order: Sequence[torch.Tensor]) -> None:
        """Take note of the batches of an epoch, to gather them ahead where that is needed."""
        if self._threads is not None:
            self._next.clear()
            self._order = deque(order)
            self._gather_ahead()

    def __call__(self, batch: torch.Tensor, parts: Mapping[str, Sequence[torch.Tensor]] | None = None) -> Batch:
        """Return the clips `batch` (B,) int64 on the device, each array in its own type.

        Args:
            batch: indices of clips.
            parts: of arrays by name, what is taken of each clip: indices (B, ...) int64 along the axes behind that of
                the clips, one tensor per axis; all of a clip where an array is not named.
        """
        index = {name: [one.to(self.place) for one in axes] for name, axes in (parts or {}).items()}
        if not self.resident:
            made, here = self._streamed(batch), torch.arange(len(batch), device=self.place)
            return {
                name: clips[(here[:, None], *index[name])] if name in index else clips for name, clips in made.items()
            }
        batch, made = batch.to(self.place), {}
        for name, whole in self._whole.items():
            rows = self._rows[name][batch]
            made[name] = whole[(rows[:, None], *index[name])] if name in index else whole.index_select(0, rows)
        return made

    def _streamed(self, batch: torch.Tensor) -> Batch:
        if self._next and torch.equal(self._next[0][0], batch):
            made = self._next.popleft()[1].result()
            self._gather_ahead()
        else:
            made = self._gathered(batch)
        return {name: clips.to(self.place, non_blocking=True) for name, clips in made.items()}

    def _gather_ahead(self) -> None:
        assert self._threads is not None
        while self._order and len(self._next) < AHEAD:
            batch = self._order.popleft()
            self._next.append((batch, self._threads.submit(self._gathered, batch)))

    def _gathered(self, batch: torch.Tensor) -> Batch:
        made = {}
        for name, whole in self._whole.items():
            clips = torch.empty((len(batch), *whole.shape[1:]), dtype=whole.dtype, pin_memory=self._pinned)
            made[name] = torch.index_select(whole, 0, self._rows[name][batch], out=clips)
        return made


def _fits(arrays: Iterable[ClipArray], place: torch.device) -> bool:
    """Return whether the common arrays fit on the device beside the network; on a CPU they are there already."""
    if place.type != "cuda":
        return True
    waiting = {id(one.whole): one.whole.nbytes for one in arrays if _known(one.whole, place) is None}
    return sum(waiting.values()) <= SHARE * torch.cuda.mem_get_info(place)[0]


def _known(array: np.ndarray, place: torch.device) -> torch.Tensor | None:
    held = _RESIDENT.get((id(array), str(place)))
    return held[1] if held is not None and held[0]() is array else None


def _brought(array: np.ndarray, place: torch.device) -> torch.Tensor:
    """Return an array on a device; one that was brought there before, and is still in use here, is not moved again."""
    if place.type == "cpu":
        return torch.from_numpy(array)
    known = _known(array, place)
    if known is None:
        key = (id(array), str(place))
        known = torch.from_numpy(array).to(place)
        _RESIDENT[key] = (weakref.ref(array, lambda _: _RESIDENT.pop(key, None)), known)
    return known
