"""Still images: what is decoded, and what is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from mer.core.errors import ClipError, MediaError
from mer.core.filenames import file_number
from mer.core.images import image_size, list_images, read_image

RAMP = np.arange(48 * 64, dtype=np.uint32).reshape(48, 64)


def colours() -> np.ndarray:
    """(48, 64, 3) RGB, red left of blue, so that a swapped channel order shows."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32, 0] = 200
    image[:, 32:, 2] = 120
    return image


def save(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_lossless_formats_come_back_as_rgb(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, colours()[..., ::-1])
    assert np.array_equal(read_image(path), colours())
    assert image_size(path) == (64, 48)


def test_jpeg_comes_back_close_and_its_size_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.JPG", colours()[..., ::-1])
    image = read_image(path)
    assert image.dtype == np.uint8
    assert np.abs(image[24, 8].astype(int) - (200, 0, 0)).max() < 12
    assert image_size(path) == (64, 48)


def test_grey_gives_three_equal_channels(tmp_path: Path) -> None:
    grey = (RAMP % 251).astype(np.uint8)
    image = read_image(save(tmp_path / "g.png", grey))
    assert np.array_equal(image, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    deep = (RAMP * 21).astype(np.uint16)
    image = read_image(save(tmp_path / "d.png", deep))
    assert image.dtype == np.uint8
    assert np.abs(image[..., 0] - deep / 257).max() <= 0.5


def test_alpha_is_dropped(tmp_path: Path) -> None:
    image = np.dstack([colours()[..., ::-1], np.full((48, 64), 3, np.uint8)])
    assert np.array_equal(read_image(save(tmp_path / "a.png", image)), colours())


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "f.tiff", np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64))
    with pytest.raises(MediaError, match=r"f.tiff: (pixels of type float32|cannot be decoded)"):
        read_image(path)


def test_a_name_with_an_accent_can_be_read(tmp_path: Path) -> None:
    plain = save(tmp_path / "a.png", colours()[..., ::-1])
    path = plain.rename(tmp_path / "héé 12.png")
    assert read_image(path).shape == (48, 64, 3)


@pytest.mark.parametrize("name", ["t.jpg", "t.png", "t.bmp"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_cut_file_is_noticed(tmp_path: Path, name: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    path = save(tmp_path / name, noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(MediaError, match=rf"{name}: .*(cut short|ends early)"):
        read_image(path)


def test_a_cut_jpeg_padded_with_zeros_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path / "t.jpg", np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    with pytest.raises(MediaError, match="cut short"):
        read_image(path)


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(tmp_path: Path) -> None:
    path = save(tmp_path / "t.jpg", colours())
    path.write_bytes(path.read_bytes() + bytes(100))
    assert read_image(path).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty file"), (b"hello world, not an image", "not a JPEG"), (b"\xff\xd8\xff", "ends early")],
)
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "img7.jpg"
    path.write_bytes(data)
    for read in (read_image, image_size):
        with pytest.raises(MediaError, match=f"img7.jpg: .*{reason}"):
            read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"img9.jpg: file not found"):
        read_image(tmp_path / "img9.jpg")


def png_bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b"")
    )


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_bomb(40_000, 40_000))
    for read in (read_image, image_size):
        with pytest.raises(MediaError, match="declares 40000 x 40000 pixels"):
            read(path)


def test_exif_orientation_turns_picture_and_size(tmp_path: Path) -> None:
    path = save(tmp_path / "e.jpg", colours()[..., ::-1])
    data = path.read_bytes()
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHIHHI", 1, 274, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + tiff
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    image = read_image(path)
    assert image.shape == (64, 48, 3)
    assert image_size(path) == (48, 64)
    assert image[8, 24, 0] > 150 and image[56, 24, 2] > 80


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("img46.jpg", 46),
        ("006_05562.jpg", 5562),
        ("image 123.BMP", 123),
        ("img2977.jpg.jpg", 2977),
        ("reg_img3.jpg", 3),
        ("Thumbs.db", None),
        ("cover.jpg", None),
    ],
)
def test_file_number_is_the_last_digit_run_of_the_stem(name: str, number: int | None) -> None:
    assert file_number(name) == number


def test_listing_is_numeric_and_ignores_what_is_no_frame(tmp_path: Path) -> None:
    for name in ("img10.jpg", "img9.jpg", "img2.JPG", "Thumbs.db", "._img3.jpg", "note1.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert list_images(tmp_path) == {2: "img2.JPG", 9: "img9.jpg", 10: "img10.jpg"}


def test_two_files_with_one_number_are_an_error(tmp_path: Path) -> None:
    for name in ("img3.jpg", "img003.jpg"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ClipError, match=r"img003.jpg and img3.jpg have the same number"):
        list_images(tmp_path)
