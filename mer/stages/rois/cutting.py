"""Cutting boxes out of images, and resizing them."""

from __future__ import annotations

import numpy as np


def cut(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut boxes out of an image and resize each to a square, without keeping its aspect.

    Shrinking averages areas, enlarging is bilinear. Values are kept: a flow stays in pixels of its source.

    Args:
        image: (H, W, C) uint8 or float32.
        boxes: (R, 4) whole left, top, right, bottom within the image, right and bottom exclusive.
        size: side of the result.

    Returns:
        (R, size, size, C) in the dtype of `image`.
    """
    return np.stack([resize(image[t:b, x:r], size) for x, t, r, b in boxes.astype(int)])


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize an image (H, W, C) to (size, size, C): area averages down, bilinear up."""
    shrinks = image.shape[0] >= size and image.shape[1] >= size
    return resize_to(image, (size, size), shrinks)


def resize_to(image: np.ndarray, size: tuple[int, int], average: bool) -> np.ndarray:
    """Resize an image (H, W, C) to (height, width, C) of `size` (width, height): area averages, or bilinear."""
    import cv2

    width, height = size
    if image.shape[:2] == (height, width):
        return image
    how = cv2.INTER_AREA if average else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=how).reshape(height, width, image.shape[2])


def mapped(image: np.ndarray, size: tuple[int, int], is_flow: bool) -> np.ndarray:
    """Return an image (H, W, C) as (height, width, C) of `size` (width, height): area averages down, bilinear up.

    Of flow, the first two channels are scaled to pixels of the result.
    """
    height, width = image.shape[:2]
    plane = resize_to(image, size, size[0] <= width and size[1] <= height)
    if not is_flow:
        return plane
    scale = np.ones(image.shape[2], np.float32)
    scale[:2] = size[0] / width, size[1] / height
    return plane * scale
