"""Pictures of arrays: pure functions from arrays to (H, W, 3) uint8 RGB.

Points and boxes are in pixels with the centre of the top-left pixel at (0, 0). Nothing is drawn in place.
"""

from __future__ import annotations

import base64
import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from mer.motion.colour import flow_to_rgb

# Fixed-point coordinates of OpenCV's drawing calls: sixteenths of a pixel.
_SHIFT = 4
_NICE = (1.0, 2.0, 5.0)
INK = (20, 20, 20)
ARROWS, LEAST_STEP, ARROW = 14, 6, (60, 60, 60)  # over the longer side; pixels between two; their colour


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """Return (H, W, 3) uint8 at `factor` times the size, bicubic; `scale_points` says where a pixel goes."""
    if factor == 1:
        return image.copy()
    size = (image.shape[1] * factor, image.shape[0] * factor)
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)


def scale_points(points: np.ndarray, factor: float) -> np.ndarray:
    """Return pixel positions (..., 2) of an image as positions in the image at `factor` times the size."""
    return (np.asarray(points, float) + 0.5) * factor - 0.5


def scale_boxes(boxes: np.ndarray, source: tuple[int, int], target: tuple[int, int]) -> np.ndarray:
    """Return boxes (..., 4) in an image of size `source` (width, height) as boxes in one of size `target`.

    Right and bottom are exclusive, so that edges are scaled, not centres of pixels.
    """
    ratio = np.array(target, float) / np.array(source, float)
    return np.asarray(boxes, float) * np.tile(ratio, 2)


def hues(count: int) -> list[tuple[int, int, int]]:
    """Return `count` bright colours, neighbours far apart on the wheel (golden ratio)."""
    colours = [colorsys.hsv_to_rgb(0.12 + k * 0.618034 % 1, 0.75, 1.0) for k in range(count)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in colours]


def draw_boxes(image: np.ndarray, boxes: np.ndarray, names: Sequence[str] = (), width: int = 1) -> np.ndarray:
    """Return the image with the outline of each box, one colour per box.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (R, 4) (left, top, right, bottom) pixels of `image`, right and bottom exclusive; the line runs through
            the outermost pixels of the box. Boxes that reach beyond the image are cut there; one with a coordinate
            that is not finite is not drawn.
        names: (R,) written in the upper corners of the boxes, left and right in turn; or empty.
        width: of the line, pixels; it grows inwards.
    """
    out = np.ascontiguousarray(image).copy()
    for box, colour in zip(np.asarray(boxes, float), hues(len(boxes)), strict=True):
        if not np.isfinite(box).all():
            continue
        left, top, right, bottom = (int(v) for v in np.rint(np.clip(box, -1e6, 1e6)))
        for inset in range(width):
            cv2.rectangle(out, (left + inset, top + inset), (right - 1 - inset, bottom - 1 - inset), colour, 1)
    for index, name in enumerate(names):
        if np.isfinite(boxes[index]).all():
            _write_name(out, str(name), np.clip(boxes[index], -1e6, 1e6), hues(len(boxes))[index], right=index % 2 == 1)
    return out


def _write_name(image: np.ndarray, name: str, box: np.ndarray, colour: tuple[int, int, int], right: bool) -> None:
    """Write a name on a dark ground in the upper left or right corner of a box, in place."""
    text = name.encode("ascii", "replace").decode()
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    edge = min(int(box[2]), image.shape[1]) - width - 5 if right else int(box[0]) + 2
    left, top = max(edge, 0), max(int(box[1]), 0) + 2
    cv2.rectangle(image, (left, top), (left + width + 3, top + height + below), INK, -1)
    cv2.putText(image, text, (left + 2, top + height + 1), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def text_strip(text: str, width: int, height: int, place: tuple[int, int], size: float, weight: int = 1) -> np.ndarray:
    """Return a line of text on white, (height, width, 3) uint8, that begins at `place`; not ASCII is written as `?`."""
    canvas = np.full((height, width, 3), 255, np.uint8)
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, place, cv2.FONT_HERSHEY_SIMPLEX, size, INK, weight, cv2.LINE_AA)
    return canvas


def draw_landmarks(
    image: np.ndarray, landmarks: np.ndarray, radius: float = 1.0, colour: tuple[int, int, int] = (0, 255, 170)
) -> np.ndarray:
    """Return the image with a dot at each landmark.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (N, 2) (x, y) pixels of `image`; points that are not finite are left out.
        radius: of a dot, pixels.
        colour: of the dots, RGB.
    """
    out = np.ascontiguousarray(image).copy()
    points = np.asarray(landmarks, float)
    fixed = np.rint(np.clip(points[np.isfinite(points).all(axis=1)], -1e4, 1e4) * 2**_SHIFT).astype(int)
    for x, y in fixed.tolist():
        cv2.circle(out, (x, y), round(radius * 2**_SHIFT), colour, -1, cv2.LINE_AA, _SHIFT)
    return out


def nice_ceiling(value: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below `value`; 1 when nothing is there."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(n * power for n in (*_NICE, 10.0) if n * power >= value * (1 - 1e-9)))


def heat(values: np.ndarray, top: float) -> np.ndarray:
    """Return (H, W) `values` from 0 (black) to `top` and above (pale yellow) as (H, W, 3) uint8 RGB."""
    level = np.rint(np.clip(np.nan_to_num(values / top), 0, 1) * 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def heat_legend(height: int, width: int = 24) -> np.ndarray:
    """Return the (height, width, 3) colour scale of `heat`, 0 at the bottom."""
    return heat(np.tile(np.linspace(1, 0, height)[:, None], (1, width)), 1.0)


def with_arrows(picture: np.ndarray, flow: np.ndarray, longest: float) -> np.ndarray:
    """Return flow as colour (H, W, 3) uint8 with arrows over it, for eyes that do not tell its hues apart.

    Args:
        picture: of `mer.motion.colour.flow_to_rgb`.
        flow: (2, H, W), pixels; too small a picture for arrows stays as it is.
        longest: length, pixels, whose arrow reaches the next but one; shorter ones than a sixth of it have none.
    """
    height, width = flow.shape[1:]
    step = max(height, width) // ARROWS
    drawn = picture.copy()
    if step < LEAST_STEP:
        return drawn
    for y in range(step // 2, height, step):
        for x in range(step // 2, width, step):
            u, v = flow[:, y - step // 2 : y + step // 2 + 1, x - step // 2 : x + step // 2 + 1].mean(axis=(1, 2))
            length = float(np.hypot(u, v))
            if length >= longest / 6:
                along = 2 * step / max(length, longest)
                end = round(x + along * u), round(y + along * v)
                cv2.arrowedLine(drawn, (x, y), end, ARROW, 1, cv2.LINE_AA, 0, 0.35)
    return drawn


def flow_legend(side: int) -> np.ndarray:
    """Return the colour wheel (side, side, 3): the colour at a place is that of the motion from the centre to it."""
    axis = np.linspace(-1, 1, side)
    x, y = np.meshgrid(axis, axis)
    picture = flow_to_rgb(np.stack([x, y]), longest=1.0)
    picture[np.hypot(x, y) > 1] = 255
    return picture


def difference(first: np.ndarray, second: np.ndarray, gain: float) -> np.ndarray:
    """Return mid-grey plus `gain` times (second - first) of two (H, W, 3) uint8 images, clipped to uint8."""
    change = second.astype(np.float32) - first.astype(np.float32)
    return np.rint(np.clip(128 + gain * change, 0, 255)).astype(np.uint8)


def difference_gain(first: np.ndarray, second: np.ndarray) -> int:
    """Return the power of two, 1 to 16, that makes the clearest difference without clipping more than 0.5 %."""
    change = np.abs(second.astype(np.int16) - first.astype(np.int16))
    top = max(1.0, float(np.quantile(change, 0.995)))
    return int(2 ** np.clip(np.floor(np.log2(127 / top)), 0, 4))


def tile(rows: Sequence[Sequence[np.ndarray]], gap: int = 6, ground: int = 255) -> np.ndarray:
    """Return images in rows, left and top aligned, as one (H, W, 3) uint8 picture with `gap` pixels between."""
    heights = [max(image.shape[0] for image in row) for row in rows]
    widths = [sum(image.shape[1] + gap for image in row) for row in rows]
    out = np.full((sum(heights) + gap * (len(rows) + 1), max(widths) + gap, 3), ground, np.uint8)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for image in row:
            out[top : top + image.shape[0], left : left + image.shape[1]] = image
            left += image.shape[1] + gap
        top += height + gap
    return out


def data_uri(image: np.ndarray, photo: bool) -> str:
    """Return (H, W, 3) uint8 RGB as a `data:` address: JPEG for photographs, PNG where colour carries a value."""
    kind = "jpeg" if photo else "png"
    options = [cv2.IMWRITE_JPEG_QUALITY, 85] if photo else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    _, data = cv2.imencode(f".{kind}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
