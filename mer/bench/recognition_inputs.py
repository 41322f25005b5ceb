"""The inputs that `mer bench recognition` compares: what a system sees of the flow of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mer.bench.recognition_clips import KEPT, SIZE, FlowClips
from mer.models.flow_image import area_pool

# Landmarks whose mean is the middle of each of 3×3 regions: brows, cheeks and nose, mouth; mirror images mirrored.
MIDDLES = (
    ((17, 18, 19, 20, 21), (21, 22, 27), (22, 23, 24, 25, 26)),
    ((36, 41, 48), (29, 30, 33), (45, 46, 54)),
    ((48, 60), (57, 8), (54, 64)),
)
REACH = 0.3  # half a region's side, distances between the eyes


@dataclass(frozen=True)
class Input:
    """What a system sees.

    Args:
        pairs: fields of `FlowClips`, in turn; names of `mer.bench.recognition_clips.EVERY`.
        side: of the image, pixels.
        minmax: every channel of every image is stretched to 0–255 by its own extremes, as the published ones are.
        regions: 3×3 regions about the landmarks instead of the whole face.
    """

    pairs: tuple[str, ...] = ("apex",)
    side: int = 28
    minmax: bool = True
    regions: bool = False

    def of(self, clips: FlowClips) -> np.ndarray:
        """Return the images (N, 3 pairs, side, side) float64."""
        each = [self._pair(clips, name) for name in self.pairs]
        return np.concatenate(each, axis=1)

    def _pair(self, clips: FlowClips, name: str) -> np.ndarray:
        fields = clips.fields[name].astype(np.float32)
        if self.regions:
            fields = np.stack([mosaic(f, points) for f, points in zip(fields, clips.landmarks, strict=True)])
        images = area_pool(fields, self.side)
        return stretched(images) if self.minmax else images


def stretched(images: np.ndarray) -> np.ndarray:
    """Return images (..., H, W) of 0–255 in whole steps by their own extremes, divided by 255."""
    low, high = images.min((-2, -1), keepdims=True), images.max((-2, -1), keepdims=True)
    spread = np.where(high > low, high - low, 1.0)
    return np.rint((images - low) / spread * 255) / 255


def mosaic(field: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the 3×3 regions (C, 84, 84) of a field (C, 112, 112) about landmarks (68, 2) in a crop of 160."""
    points = (landmarks + 0.5) * (KEPT / SIZE) - 0.5
    eyes = float(np.linalg.norm(points[42:48].mean(0) - points[36:42].mean(0)))
    at = (np.arange(28) + 0.5) / 14 - 1
    rows = []
    for line in MIDDLES:
        cut = []
        for chosen in line:
            x, y = points[list(chosen)].mean(0)
            across, down = np.meshgrid(x + at * REACH * eyes, y + at * REACH * eyes)
            maps = across.astype(np.float32), down.astype(np.float32)
            cut.append(
                np.stack([cv2.remap(c, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for c in field])
            )
        rows.append(np.concatenate(cut, axis=2))
    return np.concatenate(rows, axis=1)
