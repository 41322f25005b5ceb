"""How many frames a video promises to show, and for how long, as its headers tell before anything is decoded.

An edit list of an MP4 file hides frames that a cut without re-encoding had to keep; a fragmented one counts its frames
fragment by fragment, and one that ends amid a fragment was cut short.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

_HOLDERS = (b"moof", b"traf")
#: Boxes looked at: ten hours in fragments of a second, five to each.
MOST_BOXES = 200_000
_CLOCK = (3600, 60, 1)


def promised_frames(path: str | Path, stream: Any) -> int | None:
    """Return how many frames a video stream of PyAV shows, None where no header tells.

    Of a fragmented MP4 that ends before its index of fragments does, or amid the head of one, it is what the duration
    says, and one more than its fragments have at least.
    """
    if stream.frames:
        entries = getattr(stream, "index_entries", ())
        listed = len(entries) if len(entries) >= stream.frames else 0
        return sum(not entry.is_discard for entry in entries) if listed else int(stream.frames)
    with open(path, "rb") as file:
        head = file.read(12)
        if head[4:8] not in (b"ftyp", b"styp", b"moov", b"moof"):
            return None
        count, cut = _in_fragments(file, stream.id)
    if cut:
        rate, length = stream.average_rate or 0, (stream.duration or 0) * stream.time_base
        return max(count + 1, int(length * rate))
    return count or None


def duration(container: Any, stream: Any) -> float | None:
    """Return for how many seconds a video stream of PyAV plays, None where nothing tells.

    The length of a whole file is that of its longest stream, which may be the sound.
    """
    if stream.duration:
        return float(stream.duration * stream.time_base)
    told = stream.metadata.get("DURATION", "").split(":")
    if len(told) == len(_CLOCK) and all(part.replace(".", "", 1).isdecimal() for part in told):
        return sum(float(part) * unit for part, unit in zip(told, _CLOCK, strict=True))
    if container.duration and len(container.streams) == 1:
        return container.duration / 1_000_000
    return None


def _in_fragments(file: BinaryIO, track: int) -> tuple[int, bool]:
    """Return the frames of a track in the fragments that there are, and whether frames follow that are not there."""
    size = file.seek(0, 2)
    count, cut, current = 0, False, 0
    for kind, start, end in _boxes(file, 0, size):
        if kind == b"sidx":
            cut = cut or end + _referenced(file, start) > size
        elif kind == b"moof":
            cut = cut or end > size
        elif kind == b"tfhd":
            current = _number(file, start + 4)
        elif kind == b"trun" and current == track:
            count += _number(file, start + 4)
    return count, cut


def _referenced(file: BinaryIO, start: int) -> int:
    """Return how many bytes behind an index of fragments belong to them."""
    file.seek(start)
    # Version and flags, two numbers of 32 bits, a time and an offset of 32 or 64, a pause and a count of 16.
    layout = struct.Struct(">IIQQHH" if file.read(4)[:1] == b"\1" else ">IIIIHH")
    head = file.read(layout.size)
    if len(head) < layout.size:
        return 0
    *_, offset, _, count = layout.unpack(head)
    entries = file.read(12 * count)
    sizes = struct.iter_unpack(">I8x", entries[: len(entries) // 12 * 12])
    return int(offset) + sum(value & 0x7FFFFFFF for (value,) in sizes)


def _boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start of the content, end) of the boxes of an MP4 file, those in heads of fragments included."""
    pending, left = [(start, stop)], MOST_BOXES
    while pending and left:
        at, end = pending.pop()
        left -= 1
        # A size of 64 bits may lead further than any file is long.
        if at + 8 > end:
            continue
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            continue
        size, kind, begin = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if size == 1 and len(head) == 16:
            size, begin = int.from_bytes(head[8:16], "big"), at + 16
        size = size or end - at
        if size < begin - at:
            continue
        yield kind, begin, at + size
        pending.append((at + size, end))
        if kind in _HOLDERS:
            pending.append((begin, min(at + size, end)))


def _number(file: BinaryIO, at: int) -> int:
    file.seek(at)
    data = file.read(4)
    return int(struct.unpack(">I", data)[0]) if len(data) == 4 else 0
