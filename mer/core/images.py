"""Reading still images, and the small part of their formats that must be known before decoding.

Decoders are lenient: libjpeg turns a cut file into a half-grey picture, and every decoder allocates what a
header asks for. So the header is read first (size, completeness), and only a whole file of sane size is
decoded. Formats: JPEG, PNG, BMP and TIFF, which are what the databases ship.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np

from mer.core.atomic import atomic_path
from mer.core.errors import ClipError, MediaError
from mer.core.filenames import IMAGES, number_in, split_pattern

MAX_PIXELS = 100_000_000

#: Holds the size of an image unless a thumbnail stands before it.
_HEAD_BYTES = 1 << 14
_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}


class _Broken(Exception):
    """A header that ends early or contradicts itself; the text completes 'file: ...'."""


def read_image(path: str | Path) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 RGB, upright by its EXIF orientation.

    Grey images give three equal channels, 16-bit images are scaled by 1/257, alpha is dropped.

    Raises:
        MediaError: the file is missing, empty, cut short, larger than `MAX_PIXELS` or undecodable.
    """
    import cv2

    data = _load(path)
    try:
        _check_size(_size(data))
        _check_complete(data)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except _Broken as error:
        raise MediaError(path, str(error), "a whole image file", "copy the file again") from None
    except (struct.error, IndexError):
        raise MediaError(path, "the header ends early", "a whole image file", "copy the file again") from None
    except cv2.error as error:
        raise MediaError(path, f"cannot be decoded ({error.err})", "a readable image", "copy the file again") from None
    if image is None:
        raise MediaError(path, "cannot be decoded", "a readable image", "copy the file again")
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    if image.dtype == np.uint16:
        image = _eight_bit(image)
    if image.dtype != np.uint8:
        raise MediaError(path, f"pixels of type {image.dtype}", "8-bit or 16-bit pixels", "convert the image")
    return image


def _eight_bit(image: np.ndarray) -> np.ndarray:
    """Return 16-bit values divided by 257, row by row: a large image is not held at four bytes a value."""
    out = np.empty(image.shape, np.uint8)
    for row, wide in zip(out, image, strict=True):
        row[:] = (wide.astype(np.uint32) + 128) // 257
    return out


def image_size(path: str | Path) -> tuple[int, int]:
    """Return (width, height) of the upright image from its header alone; nothing is decoded.

    Raises:
        MediaError: the file is missing, empty, not an image, or its header is damaged.
    """
    try:
        return _check_size(_size(_load(path, _HEAD_BYTES)))
    except _Broken as error:
        try:
            return _check_size(_size(_load(path)))  # a long EXIF block can push the size out of the head
        except _Broken:
            raise MediaError(path, str(error), "a whole image file", "copy the file again") from None


def list_images(folder: str | Path) -> dict[int, str]:
    """Return {file number: file name} of the numbered images of a folder in ascending order of number.

    Of several clips in one folder, a pattern names those of one: `folder/c3_*.png`; `*` stands for the number.

    Raises:
        ClipError: the folder is missing, or two files have the same number.
    """
    folder, pattern = split_pattern(os.fspath(folder))
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise ClipError(folder, f"cannot be listed ({error.strerror})", "a folder of images") from None
    files: dict[int, str] = {}
    for name in names:
        number = number_in(name, pattern)
        if name.startswith(".") or number is None or os.path.splitext(name)[1].lower() not in IMAGES:
            continue
        if number in files:
            raise ClipError(folder, f"{files[number]} and {name} have the same number", "one file per number")
        files[number] = name
    return dict(sorted(files.items()))


def _load(path: str | Path, count: int = -1) -> np.ndarray:
    try:
        data = np.fromfile(path, np.uint8, count)
    except FileNotFoundError:
        raise MediaError(path, "file not found", "an image file") from None
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})", "an image file") from None
    if not len(data):
        raise MediaError(path, "empty file", "an image file", "copy the file again")
    return data


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise _Broken(f"declares {width} x {height} pixels, beyond the limit of {MAX_PIXELS}")
    return size


def _size(data: np.ndarray) -> tuple[int, int]:
    head = data.tobytes()
    try:
        if head[:2] == b"\xff\xd8":
            return _jpeg_size(head)
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return struct.unpack(">II", head[16:24])
        if head[:2] == b"BM":
            width, height = struct.unpack("<ii", head[18:26])
            return width, abs(height)
        if head[:4] in (b"II*\0", b"MM\0*"):
            tags = tiff_tags(head)
            return _turned(tags[256], tags[257], tags.get(274, 1))
    except (struct.error, IndexError, KeyError):
        raise _Broken("the header ends early") from None
    raise _Broken("not a JPEG, PNG, BMP or TIFF file")


def _jpeg_segments(head: bytes) -> tuple[dict[int, int], int]:
    """Return the offset of the payload of each marker before the first scan, and where the scan starts."""
    segments: dict[int, int] = {}
    at = 2
    while True:
        while head[at] == 0xFF and head[at + 1] == 0xFF:
            at += 1
        if head[at] != 0xFF:
            raise _Broken("damaged JPEG header")
        marker = head[at + 1]
        (length,) = struct.unpack(">H", head[at + 2 : at + 4])
        segments.setdefault(marker, at + 4)
        at += 2 + length
        if marker == 0xDA:
            return segments, at


def _jpeg_size(head: bytes) -> tuple[int, int]:
    segments, _ = _jpeg_segments(head)
    frame = next((at for marker, at in segments.items() if marker in _SOF), None)
    if frame is None:
        raise _Broken("a JPEG file without a picture")
    height, width = struct.unpack(">HH", head[frame + 1 : frame + 5])
    exif = segments.get(0xE1)
    if exif is not None and head[exif : exif + 6] == b"Exif\0\0":
        try:
            return _turned(width, height, tiff_tags(head[exif + 6 :]).get(274, 1))
        except (struct.error, IndexError, _Broken):
            return width, height  # a damaged EXIF block turns nothing
    return width, height


def _turned(width: int, height: int, orientation: int) -> tuple[int, int]:
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def tiff_tags(data: bytes) -> dict[int, int]:
    """Return the short and long scalar tags of the first directory of a TIFF or EXIF block."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack(order + "I", data[4:8])
    (count,) = struct.unpack(order + "H", data[at : at + 2])
    tags: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = struct.unpack(order + "HH", data[entry : entry + 4])
        if kind in (3, 4):
            size = 2 if kind == 3 else 4
            tags[tag] = struct.unpack(order + ("H" if kind == 3 else "I"), data[entry + 8 : entry + 8 + size])[0]
    return tags


def _check_complete(data: np.ndarray) -> None:
    head = data.tobytes()
    if head[:2] == b"\xff\xd8":
        _, scan = _jpeg_segments(head)
        if head.find(b"\xff\xd9", scan) < 0:
            raise _Broken("cut short (a JPEG file without its end marker)")
    elif head[:4] == b"\x89PNG":
        if not _png_complete(head):
            raise _Broken("cut short (a PNG file without its end chunk)")
    elif head[:2] == b"BM":
        _check_bmp(head)


def _png_complete(head: bytes) -> bool:
    at = 8
    while at + 12 <= len(head):
        (length,) = struct.unpack(">I", head[at : at + 4])
        if head[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


def _check_bmp(head: bytes) -> None:
    (offset,) = struct.unpack("<I", head[10:14])
    width, height = struct.unpack("<ii", head[18:26])
    bits, compression = struct.unpack("<HI", head[28:34])
    row = (width * bits + 31) // 32 * 4
    if compression in (0, 3) and offset + row * abs(height) > len(head):
        raise _Broken(f"cut short (a BMP file of {len(head)} bytes for {width} x {abs(height)} pixels)")


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as PNG, atomically.

    Raises:
        StorageError: the disk is full or not writable.
    """
    import cv2

    done, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    if not done:
        raise MediaError(path, f"an image of shape {image.shape} cannot be encoded", "an RGB uint8 image")
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())
