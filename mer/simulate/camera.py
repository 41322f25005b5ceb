"""From linear light to the file: lamp flicker, response curve, sensor noise."""

from __future__ import annotations

import numpy as np

from mer.core.seeds import derive_seed

GAMMA = 2.2
LAMP_HERTZ = 100.0
MID_GREY = 118.0
READ_SHARE = 0.35
# Grey levels of the square root of light, which is nearly theirs: 0.002 levels from one entry to the next.
RESPONSE = (255 * (np.arange(2**16) / (2**16 - 1)) ** (2 / GAMMA)).astype(np.float32)


def develop(light: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Return grey levels (H, W, 3) float32, 0-255, of linear light 0-1 under an exposure `gain`."""
    root = np.sqrt(np.clip(light * np.float32(gain), 0, 1)) * np.float32(len(RESPONSE) - 1)
    return RESPONSE[(root + np.float32(0.5)).astype(np.intp)]


def flicker_gain(seed: int, amplitude: float, number: float, fps: float) -> float:
    """Return the relative exposure of frame `number` under a lamp flickering at `LAMP_HERTZ` (and its alias)."""
    phase = np.random.default_rng(derive_seed(seed, "flicker")).uniform(0, 2 * np.pi)
    beat = LAMP_HERTZ * 1.0037 / fps
    return float(1 + amplitude * np.sin(2 * np.pi * beat * number + phase))


def expose(levels: np.ndarray, noise: float, seed: int, number: int) -> np.ndarray:
    """Return the frame (H, W, 3) uint8 with sensor noise.

    The standard deviation is `noise` at mid-grey; variance has a constant part and one that grows with the signal.
    """
    if noise > 0:
        rng = np.random.default_rng(derive_seed(seed, "noise", number))
        variance = READ_SHARE + (1 - READ_SHARE) * levels / np.float32(MID_GREY)
        levels = levels + np.float32(noise) * np.sqrt(variance) * rng.standard_normal(levels.shape, dtype=np.float32)
    return to_bytes(levels)


def to_bytes(levels: np.ndarray) -> np.ndarray:
    """Round grey levels to uint8."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
