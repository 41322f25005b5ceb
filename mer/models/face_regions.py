"""Nine regions of a face, cut out where its landmarks are: brows, cheeks with the nose, mouth with the chin."""

from __future__ import annotations

import numpy as np

from mer.core.geometry import eye_distance

#: Landmarks whose mean is the middle of each of 3×3 regions; those of a mirrored face are its mirror image.
MIDDLES = (
    ((17, 18, 19, 20, 21), (21, 22, 27), (22, 23, 24, 25, 26)),
    ((36, 41, 48), (29, 30, 33), (45, 46, 54)),
    ((48, 60), (57, 8), (54, 64)),
)
REACH = 0.3  # half a region's side, distances between the eyes
EACH = 28  # pixels of a region
SIDE = 3 * EACH


def mosaic(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the regions (C, 84, 84) float32 of an image (C, H, W), in three rows of three.

    Values are read bilinearly and keep their unit; pixels from outside repeat the border.

    Args:
        image: any number of channels.
        landmarks: (68, 2) float (x, y), pixels of the image, finite.
    """
    import cv2

    image = np.asarray(image, np.float32)
    at = ((np.arange(EACH) + 0.5) / (EACH / 2) - 1) * REACH * eye_distance(landmarks)
    rows = []
    for line in MIDDLES:
        cut = []
        for chosen in line:
            x, y = landmarks[list(chosen)].mean(0)
            across, down = (grid.astype(np.float32) for grid in np.meshgrid(x + at, y + at))
            cut.append([cv2.remap(c, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for c in image])
        rows.append(np.concatenate(cut, axis=2))
    return np.concatenate(rows, axis=1)
