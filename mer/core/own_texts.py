"""How long the texts of an HDF5 file of unknown origin are, read from its bytes before HDF5 is asked for them.

HDF5 keeps the length and the place of a text where it is named, and its letters in a collection of many. It reserves
and clears what the length says before it looks there (gigabytes, for four wrong bytes), and goes round for ever in a
collection whose free space says that it is empty. The layouts are those of the HDF5 File Format Specification, version
3.0: object headers of version 1 (IV.A.1.a), attributes (IV.A.2.m), global heaps (III.E).
"""

from __future__ import annotations

import struct
from typing import Any

import h5py

#: Bytes of all texts that are named in one place.
LARGEST = 256 << 20
#: Messages of an object header: an attribute, a table of attributes elsewhere, more of the header elsewhere.
ATTRIBUTE, TABLE, MORE = 12, 21, 16
#: Class of a type of variable length; parts of a header.
VARIABLE, PARTS = 9, 1000
# Length, place of the collection, number in it.
_NAMED = struct.Struct("<IQI")


class Foreign(ValueError):
    """What is refused; the text completes 'file: ...'."""


def require_texts(file: Any, named: bytes) -> None:
    """Refuse texts, named one after the other, that are not in the file as long as they say, or too long together.

    Raises:
        Foreign: so it is.
    """
    heaps: dict[int, dict[int, int]] = {}
    total = 0
    for length, place, number in _NAMED.iter_unpack(named):
        if length:
            if place not in heaps:
                heaps[place] = _collection(file, place)
            if heaps[place].get(number) != length:
                raise Foreign(f"a text of {length} letters that are not there")
        total += length
    if total > LARGEST:
        raise Foreign(f"texts of more than {LARGEST} letters")


def require_attributes(file: Any, node: h5py.Group) -> None:
    """Refuse texts among the attributes of an object as `require_texts` does.

    Raises:
        Foreign: so it is, or the attributes are not kept as mer keeps them.
    """
    start = h5py.h5o.get_info(node.id).addr
    version, size = struct.unpack("<B7xI", _bytes(file, start, 12))
    other = Foreign("attributes kept in another way than mer keeps them")
    if version != 1:
        raise other
    parts, named = [(start + 16, size)], []
    for place, size in parts:
        held = _bytes(file, place, size)
        while len(held) >= 8:
            kind, length, flags = struct.unpack("<HHB", held[:5])
            body, held = held[8 : 8 + length], held[8 + length :]
            if kind == MORE and len(parts) < PARTS - 1:
                parts.append(struct.unpack("<QQ", body[:16]))
            elif kind == ATTRIBUTE and not flags & 2:
                named.append(_texts_of(body))
            elif kind in (ATTRIBUTE, TABLE, MORE):
                raise other
    # Together: their letters lie in one collection, which is then read once.
    require_texts(file, b"".join(named))


def _texts_of(attribute: bytes) -> bytes:
    """Return where the texts of an attribute are named; nothing of one that has none."""
    version, shared, *sizes = struct.unpack("<BBHHH", attribute[:8])
    name, kind, space = (-(-size // 8) * 8 if version == 1 else size for size in sizes)
    begin = 8 + (version == 3)
    if shared or attribute[begin + name] & 15 != VARIABLE:
        return b""
    named = attribute[begin + name + kind + space :]
    return named[: len(named) // _NAMED.size * _NAMED.size]


def _collection(file: Any, place: int) -> dict[int, int]:
    """Return the lengths of the texts of a collection by their numbers."""
    none = Foreign(f"no texts at byte {place}")
    magic, size = struct.unpack("<4s4xQ", _bytes(file, place, 16))
    if magic != b"GCOL":
        raise none
    held, at, lengths = _bytes(file, place, size), 16, dict[int, int]()
    while at + 16 <= size:
        number, length = struct.unpack_from("<H6xQ", held, at)
        step = 16 + -(-length // 8) * 8 if number else length
        if step < 16 or at + step > size:
            raise none
        lengths[number] = length
        at += step
    return lengths


def _bytes(file: Any, place: int, size: int) -> bytes:
    file.seek(place)
    held = file.read(size)
    if len(held) < size:
        raise Foreign(f"{size} bytes at byte {place} that are not there")
    return held
