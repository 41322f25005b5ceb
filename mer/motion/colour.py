"""Flow as colour: hue is direction, saturation is length (Baker et al., the Middlebury convention)."""

from __future__ import annotations

import numpy as np

# Numbers of steps red-yellow-green-cyan-blue-magenta-red: more where the eye tells more hues apart.
_ARCS = (15, 6, 4, 11, 13, 6)
_CORNERS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]], np.float64)


def wheel() -> np.ndarray:
    """Return the colour wheel (55, 3) float64, 0-1, starting at red."""
    starts = np.concatenate([[0], np.cumsum(_ARCS)])
    steps = np.arange(starts[-1])
    return np.stack([np.interp(steps, starts, _CORNERS[:, channel]) for channel in range(3)], axis=1)


def flow_to_rgb(flow: np.ndarray, longest: float | None = None) -> np.ndarray:
    """Return a picture of a flow field.

    Args:
        flow: (2, H, W) float, pixels.
        longest: the length drawn fully saturated; the longest vector of the field when None. Longer vectors are
            drawn darker. Give one value for fields that are to be compared.

    Returns:
        (H, W, 3) uint8 RGB; white where nothing moves, red to the right, yellow-green down, cyan to the left.
    """
    length = np.hypot(flow[0], flow[1]).astype(np.float64)
    top = float(length.max()) if longest is None else longest
    radius = length / top if top > 0 else np.zeros_like(length)
    colours = wheel()
    place = np.arctan2(flow[1], flow[0]) / (2 * np.pi) % 1 * len(colours)
    low = place.astype(int) % len(colours)
    part = (place - np.floor(place))[..., None]
    hue = colours[low] * (1 - part) + colours[(low + 1) % len(colours)] * part
    inside = 1 - np.minimum(radius, 1)[..., None] * (1 - hue)
    picture = np.where((radius <= 1 + 1e-9)[..., None], inside, 0.75 * hue)
    return np.rint(255 * picture).astype(np.uint8)
