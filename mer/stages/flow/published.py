"""Published onset-apex flow images, as the MEGC2019 composite is passed around (specs/peers.md §2.1).

An image holds R = u, G = v, B = strain, each scaled by its makers to 0-255 between its own least and greatest value:
lengths, the ratio of u to v, and the zero level are lost. The median of u and of v is the best guess at their zero,
so it is subtracted unless `centre: none`; what comes out are shares of each channel's range, not pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from mer.core.errors import ClipError
from mer.core.params import Params as BaseParams
from mer.stages.flow.method import ImageMethod


class Params(BaseParams):
    """Keys of `method: published`."""

    centre: Literal["median", "none"] = Field(default="median", description="Subtract the medians of u and v.")
    dtype: Literal["float32", "float16"] = Field(default="float32", description="How flow and strain are stored.")


def read(path: Path) -> np.ndarray:
    """Read a published flow image.

    Returns:
        (S, S, 3) uint8: u, v, strain, as their makers scaled them.

    Raises:
        ClipError: the file is missing or no image, or not a square 8-bit colour image.
    """
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        raise ClipError(path, "flow image not found or not readable", "a PNG image", "check the dataset root") from None
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if image is None:
        raise ClipError(path, "not a readable image", "a PNG image", "fetch it again")
    if image.ndim != 3 or image.shape[2] != 3 or image.shape[0] != image.shape[1] or image.dtype != np.uint8:
        found = f"shape {image.shape}, {image.dtype}"
        raise ClipError(path, found, "a square 8-bit RGB image of u, v and strain")
    return image[:, :, ::-1]


def decode(image: np.ndarray, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Return flow (2, S, S) and strain (S, S), float32, from an image (S, S, 3) uint8 of u, v, strain.

    All are divided by 255; strain is not centred, its zero is the least value of the image.
    """
    planes = image.astype(np.float32).transpose(2, 0, 1) / 255
    flow = planes[:2]
    if params.centre == "median":
        flow = flow - np.median(flow, axis=(1, 2), keepdims=True)
    return flow, planes[2]


METHOD = ImageMethod(Params, read, decode, from_index=True)
