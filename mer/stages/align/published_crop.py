"""The crops of the published systems, with their exact geometry: one box per clip, no registration.

| preset | what is cut | size | read in |
|---|---|---|---|
| `softnet`, `mean` | the detector's box, no margin, bilinear | 128 | mean-softnet.md §2 |
| `dual_branch` | the whole picture, areas averaged | 128 | dual-branch.md §4 |
| `au_fusion` | the whole picture, bilinear | 128 | au-fusion.md §4.2 |
| `au_fusion_clip` | the whole picture, bilinear | 144 | au-fusion.md §4.3 |
| `au_fusion_samm` | the centre 420 x 420 pixels, bilinear | 256 | au-fusion.md §2.2 |
| `au_fusion_smic` | the detector's box and 10 pixels more, bilinear | 128 | au-fusion.md §4.4 |
| `aman` | the whole picture, bilinear | 384 | aman-magnet-rife.md A.3, A.5 |
| `aman_helper` | eyes level; the landmarks' box and 20 % of its height above | 224 | aman-magnet-rife.md A.10 |

No preset keeps the aspect. Whole pictures are those of the owners' cropped releases (dual-branch, AU-fusion, AMAN). The
size of `aman_helper`, which the released code leaves open, is that of the backbone's input. The detector's box is the
last of several faces, in the first frame.

Against the released code: the box is that of the first frame in which a face is found, never of another clip; a box
that leaves the picture is cut at its border; AU-fusion's SMIC box does not change from frame to frame; AMAN's picture
turns with its landmarks; no JPEG file in between.

The crop stands still while the face is followed as by the `dlib` method, so landmarks and quality are per frame.
`landmarks: published` gives those that the released code measured once and used for every frame instead (SOFTNet: a
second detection in the crop; MEAN: the predictor on the whole crop).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import Field

from mer.core.geometry import apply, eye_centres, invert
from mer.stages.align.detect import detect
from mer.stages.align.finish import Part, Smoothing
from mer.stages.align.landmarks import predict
from mer.stages.align.measure import Measurement
from mer.stages.align.method import AlignMethod, TrackParams
from mer.stages.align.track import Fit

Name = Literal[
    "softnet",
    "mean",
    "dual_branch",
    "au_fusion",
    "au_fusion_clip",
    "au_fusion_samm",
    "au_fusion_smic",
    "aman",
    "aman_helper",
]
LEAST = 8  # pixels: the least side of a box


@dataclass(frozen=True)
class Geometry:
    """What a system cuts out of a picture.

    Args:
        cut: the whole `picture`, its `centre`, the detector's `box`, or the box of the `landmarks`.
        size: side of the result, pixels.
        grow: pixels added to the box on every side.
        above: share of the box's height added above.
        centre: side of the centre, pixels.
        average: areas are averaged instead of bilinear interpolation.
        level: the picture is turned until the eyes are level.
        once: how the released code measured landmarks, once per clip: anew in the crop (`detect`), or with
            the crop as the face's box (`whole`); in every frame when empty.
    """

    cut: Literal["picture", "centre", "box", "landmarks"]
    size: int
    grow: int = 0
    above: float = 0.0
    centre: int = 0
    average: bool = False
    level: bool = False
    once: Literal["", "detect", "whole"] = ""


PRESETS: Mapping[str, Geometry] = {
    "softnet": Geometry("box", 128, once="detect"),
    "mean": Geometry("box", 128, once="whole"),
    "dual_branch": Geometry("picture", 128, average=True),
    "au_fusion": Geometry("picture", 128),
    "au_fusion_clip": Geometry("picture", 144),
    "au_fusion_samm": Geometry("centre", 256, centre=420),
    "au_fusion_smic": Geometry("box", 128, grow=10),
    "aman": Geometry("picture", 384),
    "aman_helper": Geometry("landmarks", 224, above=0.2, level=True),
}


class Params(TrackParams):
    """Keys of the `published_crop` method."""

    preset: Name = Field("softnet", description="whose crop; the table in `mer.stages.align.published_crop`")
    size: int | None = Field(None, ge=32, le=1024, description="side of the crop in pixels; the preset's when null")
    landmarks: Literal["frame", "published"] = Field(
        "frame",
        description="`frame`: landmarks of every frame, smoothed; `published`: measured once per clip as the released "
        "code did, where it did (softnet, mean), and the same for every frame",
    )

    @property
    def geometry(self) -> Geometry:
        """The preset, at the size asked for."""
        chosen = PRESETS[self.preset]
        return chosen if self.size is None else replace(chosen, size=self.size)


def measure(frames: Iterable[np.ndarray], params: Params, where: str = "clip") -> Measurement:
    """Follow the face and place the crop; see `AlignMethod`."""
    return _Still(frames, params, where)


def cut(frames: Iterable[np.ndarray], transform: np.ndarray, params: Params) -> Iterator[np.ndarray]:
    """Yield the crop of each frame; see `AlignMethod`."""
    geometry = params.geometry
    for image, matrix in zip(frames, transform, strict=True):
        yield resized(image, matrix, geometry)


def resized(image: np.ndarray, matrix: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return the crop (size, size, 3) uint8 of a picture under its transform (2, 3), resized as the system did it."""
    import cv2

    size = geometry.size
    if geometry.level:
        border, white = cv2.BORDER_CONSTANT, (255, 255, 255)
        return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=white)
    corners = apply(invert(matrix), np.array([[-0.5, -0.5], [size - 0.5, size - 0.5]])) + 0.5
    left, top, right, bottom = np.rint(corners).astype(int).ravel()
    how = cv2.INTER_AREA if geometry.average else cv2.INTER_LINEAR
    return cv2.resize(image[top:bottom, left:right], (size, size), interpolation=how)


def box_transform(box: np.ndarray, size: int) -> np.ndarray:
    """Return the (2, 3) transform that resizes a box (4,) of whole pixels, right and bottom exclusive, to a square."""
    x, y = size / (box[2] - box[0]), size / (box[3] - box[1])
    # Borders are half a pixel outside the centres of the outermost pixels.
    return np.array([[x, 0, (0.5 - box[0]) * x - 0.5], [0, y, (0.5 - box[1]) * y - 0.5]])


def within(box: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a box (4,) cut at the borders of a picture of `shape`, at least `LEAST` pixels (or the picture) wide."""
    limit = np.array([shape[1], shape[0]], float)
    low, high = np.clip(np.floor(box[:2]), 0, limit), np.clip(np.ceil(box[2:]), 0, limit)
    low = np.clip(np.minimum(low, limit - LEAST), 0, None)
    return np.concatenate([low, np.maximum(high, np.minimum(low + LEAST, limit))])


def transform_of(geometry: Geometry, shape: tuple[int, ...], box: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the transform (2, 3) picture -> crop.

    Args:
        geometry: of the system.
        shape: (H, W) of the picture.
        box: (4,) the detector's, whole pixels; right and bottom exclusive, as the released code slices it.
        landmarks: (68, 2) of the face in the picture.
    """
    height, width = shape[:2]
    if geometry.cut == "picture":
        return box_transform(np.array([0, 0, width, height], float), geometry.size)
    if geometry.cut == "centre":
        side = np.minimum(geometry.centre, [width, height])
        low = (np.array([width, height]) - side) // 2
        return box_transform(np.concatenate([low, low + side]).astype(float), geometry.size)
    if geometry.cut == "box":
        return box_transform(within(box + geometry.grow * np.array([-1, -1, 1, 1]), shape), geometry.size)
    turning = _levelled(landmarks, shape)
    points = apply(turning, landmarks)
    low, high = points.min(axis=0), points.max(axis=0)
    low[1] -= geometry.above * (high[1] - low[1])
    inner = box_transform(np.concatenate([low, np.maximum(high, low + LEAST)]), geometry.size)
    linear = inner[:, :2] @ turning[:, :2]
    return np.column_stack([linear, inner[:, :2] @ turning[:, 2] + inner[:, 2]])


def _levelled(landmarks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the rotation (2, 3) about the picture's centre that makes the eyes level."""
    left, right = eye_centres(landmarks)
    x, y = (right - left) / max(float(np.linalg.norm(right - left)), 1e-9)
    linear = np.array([[x, y], [-y, x]])
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    return np.column_stack([linear, centre - linear @ centre])


class _Still(Measurement):
    """A measurement whose crop is that of the first picture with a face."""

    def __init__(self, frames: Iterable[np.ndarray], params: Params, where: str) -> None:
        smoothing = Smoothing(params.refine, 0.0, params.smooth, params.rigid_smooth)
        super().__init__(frames, params, smoothing, np.eye(2, 3), where)
        self._params, self._geometry = params, params.geometry
        self._box: np.ndarray | None = None
        self._matrix: np.ndarray | None = None
        self._points: np.ndarray | None = None
        self._shape: tuple[int, ...] | None = None

    def followed(self, index: int, picture: np.ndarray, fit: Fit) -> None:
        if self._shape is not None and self._shape != picture.shape:
            found = f"{picture.shape[1]} x {picture.shape[0]} pixels in frame {index}"
            remedy = "align with method: dlib, which follows the face"
            raise self.error(found, f"{self._shape[1]} x {self._shape[0]} as before", remedy)
        self._shape = picture.shape
        if fit.matrix is None or fit.points is None:
            return
        if self._box is None:
            # The last face of several, as the released code has it; the tracker follows the largest.
            boxes = detect(picture, self._params.detector, self._params.upsample).boxes
            points = apply(invert(fit.matrix), fit.points)
            self._box = np.rint(boxes[-1]) if len(boxes) else np.concatenate([points.min(axis=0), points.max(axis=0)])
            self._matrix = transform_of(self._geometry, picture.shape, self._box, points)
        if self._points is None and self._params.landmarks == "published" and self._geometry.once:
            assert self._matrix is not None
            self._points = _once(picture, self._matrix, self._geometry)

    def placed(self, part: Part) -> Part:
        assert self._matrix is not None
        part = replace(part, transform=np.broadcast_to(self._matrix, part.transform.shape).copy())
        if self._points is None:
            return part
        source = apply(invert(self._matrix), self._points)
        return replace(part, source=np.broadcast_to(source, part.source.shape).copy())


def _once(picture: np.ndarray, matrix: np.ndarray, geometry: Geometry) -> np.ndarray | None:
    """Return the landmarks (68, 2) that the released code measures in the crop, or None when it finds no face there."""
    small = resized(picture, matrix, geometry)
    if geometry.once == "whole":
        return predict(small, np.array([0.0, 0.0, geometry.size, geometry.size]))
    faces = detect(small, "hog", 1)
    return predict(small, faces.boxes[0]) if len(faces) else None


METHOD = AlignMethod(Params, measure, cut)
