"""Which frames a remark applies to, kept as runs, so that an hour of one remark costs no more than a frame of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SHOWN = 12


class Flags:
    """Frame indices per reason. Indices of a reason must be added in ascending order."""

    def __init__(self) -> None:
        self._runs: dict[str, list[list[int]]] = {}

    def add(self, index: int, reasons: Iterable[str]) -> None:
        """Note that `reasons` apply to frame `index`."""
        for reason in reasons:
            _extend(self._runs.setdefault(reason, []), index)

    def indices(self) -> dict[str, list[int]]:
        """Return the frame indices of every reason."""
        return {name: [i for a, b in runs for i in range(a, b + 1)] for name, runs in self._runs.items()}

    def texts(self) -> dict[str, str]:
        """Return the frames of every reason as text, as `ranges` does; reasons in alphabetical order."""
        return {name: _text(runs, SHOWN) for name, runs in sorted(self._runs.items())}


def ranges(indices: Sequence[int], limit: int = SHOWN) -> str:
    """Return ascending indices as text, runs joined ('0-3, 7'), at most `limit` runs written out."""
    runs: list[list[int]] = []
    for index in indices:
        _extend(runs, index)
    return _text(runs, limit)


def _extend(runs: list[list[int]], index: int) -> None:
    if runs and index == runs[-1][1] + 1:
        runs[-1][1] = index
    else:
        runs.append([index, index])


def _text(runs: Sequence[Sequence[int]], limit: int) -> str:
    text = ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in runs[:limit])
    return text + (f" and {len(runs) - limit} more runs" if len(runs) > limit else "")
