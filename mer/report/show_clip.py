"""One clip's products as one picture, for `mer show`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np

from mer.core.errors import ContainerError
from mer.core.progress import each
from mer.report import drawing
from mer.report.clip_pictures import DRAWN, ClipReader, clip_pictures
from mer.report.drawing import tile
from mer.report.product_pictures import Panel, Picture

WIDTH = 1800
SIDE = 208
LARGE = 352
GAP = 6
LETTER = 7.0  # pixels of a letter of the captions
PLAIN = {ord("→"): "->", ord("×"): "x", ord("–"): "-", ord("−"): "-", ord("…"): "..."}


def show_clip(
    paths: Mapping[str, Path],
    sample_id: str,
    sources: Mapping[str, str],
    only: Sequence[str] = (),
    width: int = WIDTH,
) -> np.ndarray:
    """Return the products of one clip in one picture, each below a line that says how it was made.

    Args:
        paths: product (`align/face224`) -> container of the clip's subject, in the order of the journey.
        sample_id: the clip.
        sources: product -> product it was made from.
        only: patterns of the products to draw, such as `rois/*` or `align`; all when empty. The faces behind them are
            still taken from the others.
        width: of the picture in pixels, about.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ContainerError: no product has the clip, or a container is unfinished.
    """
    chosen = [product for product in paths if product.split("/")[0] in DRAWN and _wanted(product, only)]
    if only and not chosen:
        found = f"no product matches {', '.join(only)}"
        raise ContainerError(f"clip {sample_id}", found, ", ".join(paths), "see the stages of the configuration")
    drawn = {product: path for product, path in paths.items() if product.split("/")[0] in DRAWN}
    with ClipReader(drawn, sample_id, sources) as reader:
        every = each(clip_pictures(reader, {}), "products drawn", len(drawn))
        pictures = [picture for picture in every if picture.product in chosen]
    if not any(picture.panels for picture in pictures):
        reasons = "; ".join(sorted({picture.caption for picture in pictures})) or "no drawable product"
        raise ContainerError(
            f"clip {sample_id}", reasons, "at least one product with the clip", "run the workflow first"
        )
    blocks = [[_text(sample_id, round(1.5 * LETTER * len(sample_id)) + GAP, bold=True)]]
    blocks += _lines([_block(picture, width) for picture in pictures], width)
    return tile(blocks, 3 * GAP)


def _wanted(product: str, only: Sequence[str]) -> bool:
    return not only or any(fnmatch(product, pattern) or product.split("/")[0] == pattern for pattern in only)


def _block(picture: Picture, width: int) -> np.ndarray:
    """Return a product as one image: its name, its panels in rows, and its caption broken into lines."""
    if not picture.panels:
        line = f"{picture.product}: {picture.caption}"
        return _text(line, min(round(LETTER * len(line)), width))
    side = SIDE if picture.product.split("/")[0] != "rois" else LARGE
    rows = _lines([_captioned(panel, side) for panel in picture.panels], width)
    across = max(sum(image.shape[1] + GAP for image in row) for row in rows)
    name = _text(picture.product, across, bold=True)
    caption = [[_text(line, across)] for line in _broken(picture.caption, across)]
    return tile([[name], *rows, *caption], GAP)


def _broken(text: str, width: int) -> list[str]:
    """Break a text into lines that fit a width in pixels."""
    return textwrap.wrap(text, max(int(width / LETTER), 20))


def _captioned(panel: Panel, side: int) -> np.ndarray:
    image = panel.image
    if not (panel.legend or panel.sheet):
        # Nearest neighbours for small value pictures: their pixels are the data.
        how = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_CUBIC if panel.photo else cv2.INTER_NEAREST
        image = cv2.resize(image, (round(side * image.shape[1] / image.shape[0]), side), interpolation=how)
    label = _text(panel.label, max(image.shape[1], round(LETTER * len(panel.label))))
    return tile([[image], [label]], 2)


def _lines(images: Sequence[np.ndarray], width: int) -> list[list[np.ndarray]]:
    """Break images into rows of at most `width` pixels."""
    rows: list[list[np.ndarray]] = [[]]
    for image in images:
        if rows[-1] and sum(i.shape[1] + GAP for i in rows[-1]) + image.shape[1] > width:
            rows.append([])
        rows[-1].append(image)
    return [row for row in rows if row]


def _text(text: str, width: int, bold: bool = False) -> np.ndarray:
    height, line, size, weight = (22, 15, 0.55, 2) if bold else (17, 12, 0.42, 1)
    return drawing.text_strip(text.translate(PLAIN), width, height, (2, line), size, weight)
