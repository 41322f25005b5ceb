"""The patches of a region set as one sheet: what a model that reads them sees."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mer.motion.colour import flow_to_rgb
from mer.report import drawing

WIDTH, HEIGHT = 500, 352  # pixels of a sheet, at most
NAME = 16  # pixels of a line of text
GAP = 4
COLUMNS = {1: 1, 2: 1, 3: 3, 4: 2, 5: 3, 6: 3}
MANY = 10  # columns of larger sets: the ten brow windows of AU-fusion in a row, above the twenty of the mouth


def patch_images(patches: np.ndarray, of: str, factor: float = 1.0) -> tuple[list[np.ndarray], str]:
    """Return patches as pictures, and in words what their colours mean.

    Args:
        patches: (R, h, w, 3) uint8 frames, (R, 2, h, w) flow, (R, h, w) strain, or (R, 3, h, w) flow and strain.
        of: the array that they were cut from: `frames`, `flow`, `strain` or `flow_strain`.
        factor: multiplies flow and strain before drawing.

    Returns:
        R pictures (H, W, 3) uint8 RGB, strain below its flow; and the scale, empty for frames.
    """
    if of == "frames":
        return list(patches), ""
    values = np.nan_to_num(np.asarray(patches, float)) * factor
    planes = values[:, None] if of == "strain" else values
    flow, strain = (None if of == "strain" else planes[:, :2]), (None if of == "flow" else planes[:, -1])
    words, rows = [], []
    if flow is not None:
        longest = drawing.nice_ceiling(float(np.quantile(np.hypot(flow[:, 0], flow[:, 1]), 0.995)))
        rows.append([flow_to_rgb(field, longest) for field in flow])
        words.append(f"full colour {longest:g} px")
    if strain is not None:
        top = drawing.nice_ceiling(float(np.quantile(strain, 0.995)))
        rows.append([drawing.heat(field, top) for field in strain])
        words.append(f"strain to {top:g}")
    return [np.concatenate(images) for images in zip(*rows, strict=True)], ", ".join(words)


def sheet(images: Sequence[np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Return pictures of one size in rows with their names below, enlarged as far as a sheet allows.

    Args:
        images: R pictures (h, w, 3) uint8.
        names: R names; `landmark17` is written `17`.
    """
    columns = COLUMNS.get(len(images), MANY)
    rows = -(-len(images) // columns)
    height, width = images[0].shape[:2]
    room = (WIDTH - GAP * (columns + 1)) / columns, (HEIGHT - (GAP + NAME) * rows - GAP) / rows
    scale = min(room[0] / width, room[1] / height)
    size = max(round(scale * width), 1), max(round(scale * height), 1)
    # Nearest neighbours where patches grow: their pixels are the data.
    how = cv2.INTER_NEAREST if scale > 1 else cv2.INTER_AREA
    written = [name.removeprefix("landmark").replace("_", " ") for name in names]
    below = [drawing.text_strip(name, size[0], NAME, (1, 12), 0.4) for name in written]
    above = [cv2.resize(image, size, interpolation=how) for image in images]
    cells = [np.concatenate(pair) for pair in zip(above, below, strict=True)]
    return drawing.tile([cells[k : k + columns] for k in range(0, len(cells), columns)], GAP)
