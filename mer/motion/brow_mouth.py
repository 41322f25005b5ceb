"""The picture that SOFTNet and MEAN look at: brows with eyes above the mouth, 42 × 42 (specs/mean-softnet.md §3).

The published crops are 128 pixels wide; margins here are fractions of the crop, so that any size gives the same
regions.
"""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 42
MARGIN = 12 / 128
LID = 15 / 128
PATCH = 11 / 128
NOSE = 28
EYES = (range(36, 42), range(42, 48))


def region_boxes(landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the boxes of brows with eyes, and of the mouth (§3.1): (2, 4) int left, top, right, bottom, exclusive.

    Args:
        landmarks: (68, 2) float (x, y) pixels of the image.
        width: image width, pixels; the margin is 12/128 of it.
        height: image height, pixels.
    """
    x, y = np.rint(np.asarray(landmarks, np.float64)).T
    dx, dy = MARGIN * width, MARGIN * height
    upper = (x[17] - dx, min(y[19], y[24]) - dy, x[26] + dx, max(y[41], y[46]) + dy)
    mouth = (x[60] - dx, y[50] - dy, x[64] + dx, y[57] + dy)
    whole = np.rint(np.array([upper, mouth])).astype(int)
    return np.clip(whole, 0, [width, height, width, height])


def stacked(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return (C, 42, 42) float32: the two boxes (2, 4) of an image (C, H, W), bilinearly resized, brows above mouth."""
    parts = []
    for left, top, right, bottom in boxes:
        cut = np.ascontiguousarray(image[:, top:bottom, left:right].transpose(1, 2, 0), np.float32)
        parts.append(cv2.resize(cut, (SIDE, SIDE // 2), interpolation=cv2.INTER_LINEAR))
    return np.ascontiguousarray(np.concatenate(parts).transpose(2, 0, 1))


def nose_mean(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the mean (C,) of an image (C, H, W) in the 11/128 wide patch centred on the bridge of the nose (§3.1)."""
    height, width = image.shape[1:]
    half = max(1, round((PATCH * width - 1) / 2))
    x = int(np.clip(np.rint(landmarks[NOSE, 0]), half, max(half, width - 1 - half)))
    y = int(np.clip(np.rint(landmarks[NOSE, 1]), half, max(half, height - 1 - half)))
    return image[:, y - half : y + half + 1, x - half : x + half + 1].mean(axis=(1, 2))


def eye_mask(landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return (H, W) bool: two hexagons around the eyes, each corner pushed out by 15/128 of the crop (§3.1, step 3)."""
    mask = np.zeros((height, width), np.uint8)
    dx, dy = LID * width, LID * height
    push = np.array([(-dx, 0), (0, -dy), (0, -dy), (dx, 0), (0, dy), (0, dy)])
    for eye in EYES:
        corners = np.rint(np.clip(landmarks[list(eye)] + push, 0, [width, height])).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1)
    return mask.astype(bool)


def minmax(image: np.ndarray) -> np.ndarray:
    """Stretch each channel of (C, H, W) to 0–1 by its own extremes; a constant channel becomes 0."""
    low = image.min(axis=(1, 2), keepdims=True)
    spread = image.max(axis=(1, 2), keepdims=True) - low
    return np.divide(image - low, spread, out=np.zeros_like(image), where=spread > 0)
