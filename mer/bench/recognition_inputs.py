"""The inputs that `mer bench recognition` compares: what a system sees of the flow of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer.bench.recognition_clips import KEPT, SIZE, FlowClips
from mer.models.face_regions import mosaic
from mer.models.flow_image import area_pool


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
            landmarks = (clips.landmarks + 0.5) * (KEPT / SIZE) - 0.5
            fields = np.stack([mosaic(f, points) for f, points in zip(fields, landmarks, strict=True)])
        images = area_pool(fields, self.side)
        return stretched(images) if self.minmax else images


def stretched(images: np.ndarray) -> np.ndarray:
    """Return images (..., H, W) of 0–255 in whole steps by their own extremes, divided by 255."""
    low, high = images.min((-2, -1), keepdims=True), images.max((-2, -1), keepdims=True)
    spread = np.where(high > low, high - low, 1.0)
    return np.rint((images - low) / spread * 255) / 255
