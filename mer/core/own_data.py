"""What of an HDF5 file of unknown origin may be read: data that lies in the file itself and is as large as it claims.

HDF5 follows links into other files, assembles arrays from them, loads filters as plug-ins, and reserves the memory that
a header asks for. Nothing of this is ever written here, so all of it is refused, before it is followed or reserved.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from mer.core.own_texts import Foreign, require_attributes, require_texts

#: Bytes of an array that is read whole, and of a chunk of one that is not.
LARGEST, LARGEST_CHUNK = 8 << 30, 1 << 30
#: Deflate makes a byte of no more than 1032; small arrays have a header besides.
EXPANDS, SPARE = 1100, 1 << 20
#: Bytes of an attribute, without its texts.
LARGEST_ATTRIBUTE = 16 << 20
FILTERS = frozenset((h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32))


def member(group: h5py.Group, name: str) -> Any:
    """Return the group or dataset of that name, step by step through hard links; None where there is none.

    Raises:
        Foreign: a link leads elsewhere, or the data lie elsewhere, need a plug-in or are not as large as they say.
    """
    here: Any = group
    for step in name.split("/"):
        link = here.get(step, getlink=True) if isinstance(here, h5py.Group) and step not in ("", ".", "..") else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise Foreign(f"{name} is a link to somewhere else ({type(link).__name__})")
        here = here[step]
    if isinstance(here, h5py.Dataset):
        _require_own(here, name)
    elif not isinstance(here, h5py.Group):
        raise Foreign(f"{name} is neither an array nor a group")
    return here


def attributes(node: h5py.Group, file: Any) -> dict[str, Any]:
    """Return the attributes of a group or file: numbers, texts, and short lists of them.

    Args:
        node: the group, or the file.
        file: the bytes under it, open for reading.

    Raises:
        Foreign: one is of another type, which HDF5 may not survive reading from a damaged file, or is too large.
    """
    for name in node.attrs:
        told = node.attrs.get_id(name)
        text = h5py.check_string_dtype(told.dtype) is not None
        if (not text and told.dtype.kind not in "biuf") or told.get_storage_size() > LARGEST_ATTRIBUTE:
            raise Foreign(f"the attribute {name} holds neither a text nor a few numbers")
    require_attributes(file, node)
    return dict(node.attrs)


def _require_own(data: h5py.Dataset, name: str) -> None:
    kept = data.id.get_create_plist()
    if data.is_virtual or kept.get_external_count():
        raise Foreign(f"the data of {name} lie in another file")
    if foreign := {kept.get_filter(k)[0] for k in range(kept.get_nfilters())} - FILTERS:
        raise Foreign(f"{name} is written by a filter that mer does not use (number {min(foreign)})")
    if data.shape is None or (data.dtype.hasobject and h5py.check_string_dtype(data.dtype) is None):
        raise Foreign(f"{name} holds {'nothing' if data.shape is None else 'objects'}")
    size = data.size * data.dtype.itemsize
    held = SPARE + EXPANDS * min(data.id.get_storage_size(), data.file.id.get_filesize())
    chunk = int(np.prod(data.chunks, dtype=float)) * data.dtype.itemsize if data.chunks else 0
    if size > min(held, LARGEST) or chunk > LARGEST_CHUNK:
        raise Foreign(f"{name} claims {max(size, chunk)} bytes, and holds {data.id.get_storage_size()}")


def whole(data: h5py.Dataset, file: Any) -> np.ndarray:
    """Return an array that `member` gave, whole; texts as str.

    Args:
        data: the array.
        file: the file under it, open for reading.

    Raises:
        Foreign: its texts are longer than those of an array can be, or do not lie where they are looked for here.
    """
    text = h5py.check_string_dtype(data.dtype)
    if text is not None and text.length is None and data.size:
        place = data.id.get_offset()
        if place is None:
            raise Foreign("texts that are not kept one after the other")
        file.seek(place)
        require_texts(file, file.read(data.id.get_storage_size()))
    return data[()] if text is None else data.asstr()[()]
