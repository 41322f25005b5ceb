"""Black and Anandan's robust optical flow (CVIU, 1996), as the AU-fusion system ran it.

The defaults are the released system's (specs/au-fusion.md §3.1 and §3.2): Lorentzian penalties on brightness and on
forward differences of the flow, graduated non-convexity in three stages from quadratic to robust, a pyramid of two
levels per stage, three warps per level. The linear system of each warp is never built: it is solved matrix-free by
conjugate gradients, for many pairs (and magnification factors) at once (`mer.motion.black_anandan_kernel`).
"""

from __future__ import annotations

import numpy as np

from mer.core.device import float32_products
from mer.motion.batch import on_device
from mer.motion.black_anandan_options import LEAST_SIDE, BlackAnandanOptions


def flows(
    firsts: np.ndarray, seconds: np.ndarray, options: BlackAnandanOptions | None = None, device: str = "cpu"
) -> np.ndarray:
    """Return the forward flows of a batch of pairs.

    Args:
        firsts: (B, H, W) grey float, 0-255, sides of at least 16 pixels; or (1, H, W), the first image of all.
        seconds: (B, H, W).
        options: the published values when None.
        device: `cpu`, in float64, or `cuda`, in float32. A pair's result does not depend on its batch on a CPU.

    Returns:
        (B, 2, H, W) float32 pixels, u right, v down; exactly zero for identical images.

    Raises:
        ConfigError: the images are too small, or the device is not there.
    """
    import torch

    from mer.motion import black_anandan_kernel

    precision = torch.float64 if device == "cpu" else torch.float32
    one, two = on_device("black_anandan", firsts, seconds, LEAST_SIDE, device, precision)
    with float32_products(), torch.inference_mode():
        made = black_anandan_kernel.solve(one.expand_as(two).contiguous(), two, options or BlackAnandanOptions())
    return made.float().cpu().numpy()


def flow(first: np.ndarray, second: np.ndarray, options: BlackAnandanOptions | None = None) -> np.ndarray:
    """Return the forward flow (2, H, W) of one pair (H, W); see `flows`."""
    result: np.ndarray = flows(first[None], second[None], options)[0]
    return result
