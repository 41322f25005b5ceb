"""Small pictures of a clip's products over time: one image per product, its frames side by side.

A page with thousands of clips must still open at once, so size and number of frames follow from what is left of a
budget of bytes. Their pixels are to be looked at, not measured: encoding is with loss, even where
colour carries a value.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mer.core.container import Clip
from mer.core.errors import ContainerError
from mer.motion.colour import flow_to_rgb
from mer.report.clip_pictures import DRAWN, ClipReader, rois_of
from mer.report.product_pictures import Scales, events_of, flow_scales, spread


@dataclass(frozen=True)
class Level:
    """Pixels of a frame's side, frames of a strip at most, and quality of JPEG (0 to 100)."""

    side: int
    frames: int
    quality: int


LEVELS = (Level(96, 8, 80), Level(80, 6, 75), Level(64, 5, 70), Level(56, 3, 60), Level(48, 1, 55))


@dataclass(frozen=True)
class Strip:
    """One product of one clip: its frames side by side as a `data:` address, and a label for each."""

    product: str
    source: str
    labels: Sequence[str]


def strips(reader: ClipReader, scales: Mapping[str, Scales], level: Level) -> list[Strip]:
    """Return a strip per drawn product of a clip; products that cannot be read are left out.

    Args:
        reader: of the clip.
        scales: of every flow product; one that is missing is taken from this clip alone.
        level: size and number of frames.
    """
    found = []
    for product in reader.paths:
        if product.split("/")[0] not in DRAWN or not reader.has(product):
            continue
        try:
            tiles = _tiles(reader, product, scales, level.frames)
        except ContainerError:
            continue
        if tiles:
            found.append(Strip(product, _encoded([image for image, _ in tiles], level), [label for _, label in tiles]))
    return found


def _tiles(reader: ClipReader, product: str, scales: Mapping[str, Scales], count: int) -> list[tuple[np.ndarray, str]]:
    clip, stage = reader.clip(product), product.split("/")[0]
    if stage == "rois":
        return [(panel.image, panel.label) for panel in rois_of(reader, product, clip, small=True).panels]
    if stage == "flow":
        return _flow_tiles(clip, scales.get(product) or Scales(*flow_scales(clip)), count)
    frames = clip.lazy("frames")
    lead: tuple[int, ...] = () if frames.ndim == 4 else (-1,)
    factor = f", × {clip.read('alphas')[-1]:g}" if lead else ""
    names = {index: f" {name}" for name, index in events_of(clip).items()}
    shown = _shown(clip, frames.shape[-4], count)
    return [(frames[(*lead, i)], f"frame {i}{names.get(i, '')}{factor}") for i in shown]


def _shown(clip: Clip, length: int, count: int) -> list[int]:
    """Return the frames of a strip: evenly spread, or the apex where there is room for one."""
    apex = events_of(clip).get("apex")
    return [apex] if count == 1 and apex is not None and 0 <= apex < length else spread(length, count)


def _flow_tiles(clip: Clip, scales: Scales, count: int) -> list[tuple[np.ndarray, str]]:
    pairs, flow = clip.read("pairs"), clip.lazy("flow")
    lead: tuple[int, ...] = () if flow.ndim == 4 else (-1,)
    tiles = []
    for i in spread(len(pairs), count):
        field = np.asarray(flow[(*lead, i)], float)
        tiles.append((flow_to_rgb(field, scales.flow or 1.0), f"flow {pairs[i][0]} → {pairs[i][1]}"))
    return tiles


def _encoded(images: Sequence[np.ndarray], level: Level) -> str:
    size = (level.side, level.side)
    small = [cv2.resize(np.ascontiguousarray(one), size, interpolation=cv2.INTER_AREA) for one in images]
    strip = cv2.cvtColor(np.concatenate(small, axis=1), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, level.quality])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
