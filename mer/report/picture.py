"""One clip's products as one picture, for `mer show`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from mer.core.container import Container, file_digest
from mer.core.errors import ContainerError
from mer.report.figures import tile
from mer.report.panels import Panel, Picture
from mer.report.pictures import DRAWN, ClipReader, clip_pictures

WIDTH = 1500
SIDE = 224
GAP = 6


def show_clip(paths: Mapping[str, Path], sample_id: str, sources: Mapping[str, str] | None = None) -> np.ndarray:
    """Return every product of one clip in one picture, a row per product.

    Args:
        paths: product (`align/face224`) -> container of the clip's subject, in the order of the journey.
        sample_id: the clip.
        sources: product -> product it was made from; found from the digests in the containers when None.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ContainerError: no product has the clip, or a container is unfinished.
    """
    drawn = {product: path for product, path in paths.items() if product.split("/")[0] in DRAWN}
    if sources is None:
        sources = recorded_sources({product: path for product, path in paths.items() if path.exists()})
    with ClipReader(drawn, sample_id, sources) as reader:
        pictures = clip_pictures(reader, {})
    if not any(picture.panels for picture in pictures):
        reasons = "; ".join(sorted({picture.caption for picture in pictures})) or "no drawable product"
        raise ContainerError(
            f"clip {sample_id}", reasons, "at least one product with the clip", "run the workflow first"
        )
    rows: list[list[np.ndarray]] = []
    for picture in pictures:
        rows += [[_text(line, WIDTH)] for line in _heading(picture)]
        side = SIDE if len(picture.panels) > 1 else 2 * SIDE
        rows += _lines([_captioned(panel, side) for panel in picture.panels])
    return tile(rows, GAP)


def recorded_sources(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return `{product: product it was made from}` by the input digests that the containers carry."""
    by_digest = {file_digest(path): product for product, path in paths.items()}
    found = {}
    for product, path in paths.items():
        with Container(path) as box:
            digests = json.loads(str(box.attributes["inputs"]))
        source = next((by_digest[d] for d in digests.values() if d in by_digest), None)
        if source is not None:
            found[product] = source
    return found


def _heading(picture: Picture) -> Sequence[str]:
    if picture.panels:
        return (picture.product,)
    return (f"{picture.product}: {picture.caption}",)


def _captioned(panel: Panel, side: int) -> np.ndarray:
    image = panel.image
    if not panel.legend:
        # Nearest neighbours for small value pictures: their pixels are the data.
        how = cv2.INTER_AREA if image.shape[1] > side else cv2.INTER_CUBIC if panel.photo else cv2.INTER_NEAREST
        image = cv2.resize(image, (side, round(side * image.shape[0] / image.shape[1])), interpolation=how)
    label = _text(panel.label, max(image.shape[1], 120))
    return tile([[image], [label]], 2)


def _lines(images: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Break images into rows of at most `WIDTH` pixels."""
    rows: list[list[np.ndarray]] = [[]]
    for image in images:
        if rows[-1] and sum(i.shape[1] + GAP for i in rows[-1]) + image.shape[1] > WIDTH:
            rows.append([])
        rows[-1].append(image)
    return [row for row in rows if row]


def _text(text: str, width: int) -> np.ndarray:
    canvas = np.full((18, width, 3), 255, np.uint8)
    plain = text.replace("→", "->").replace("×", "x").replace("–", "-").encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, (2, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
    return canvas
