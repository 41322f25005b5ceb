"""Black and Anandan's robust optical flow (CVIU, 1996), as the AU-fusion system ran it.

The defaults are the released system's (specs/au-fusion.md §3.1 and §3.2): Lorentzian penalties on brightness and on
forward differences of the flow, graduated non-convexity in three stages from quadratic to robust, a pyramid of two
levels per stage, three warps per level. The linear system of each warp is never built: it is solved matrix-free by
conjugate gradients, for many pairs (and magnification factors) at once (`mer.motion.black_anandan_kernel`).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from mer.core.errors import ConfigError
from mer.core.params import Params

LEAST_SIDE = 16


class BlackAnandanOptions(Params):
    """Options of Black-Anandan flow; the defaults are the table of specs/au-fusion.md §3.2."""

    presmooth: float = Field(
        default=5.0, ge=0, le=50, description="Sigma of a 5 x 5 Gaussian on both images; 0 is none."
    )
    data_sigma: float = Field(default=6.3, gt=0, description="Scale of the brightness penalties, grey levels.")
    spatial_sigma: float = Field(default=0.1, gt=0, description="Scale of the smoothness penalties, pixels.")
    smoothness: float = Field(default=0.1, gt=0, description="Weight of the robust smoothness.")
    smoothness_quadratic: float = Field(default=0.05, gt=0, description="Weight of the quadratic smoothness.")
    stages: int = Field(default=3, ge=1, le=10, description="Stages from the quadratic to the robust penalties.")
    levels: int = Field(default=2, ge=1, le=8, description="Pyramid levels of the first stage.")
    spacing: float = Field(default=2.0, gt=1, le=4, description="Size ratio of its levels.")
    stage_levels: int = Field(default=2, ge=1, le=8, description="Pyramid levels of the later stages.")
    stage_spacing: float = Field(default=1.25, gt=1, le=4, description="Size ratio of their levels.")
    warps: int = Field(default=3, ge=1, le=50, description="Warps per level.")
    linearisations: int = Field(default=1, ge=1, le=20, description="Reweighted systems per warp.")
    limit: float = Field(default=1.0, gt=0, description="Most that a warp may add to u or v, pixels.")
    tolerance: float = Field(default=1e-4, gt=0, lt=1, description="Relative residual at which a system is solved.")
    iterations: int = Field(default=300, ge=1, description="Most conjugate gradient iterations per system.")


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

    if len(firsts) == 1:
        firsts = np.repeat(firsts, len(seconds), axis=0)
    if firsts.shape != seconds.shape or firsts.ndim != 3:
        raise ValueError(f"expected two (B, H, W) arrays, found {firsts.shape} and {seconds.shape}")
    if min(firsts.shape[1:]) < LEAST_SIDE:
        found = f"images of {firsts.shape[2]} x {firsts.shape[1]} pixels"
        raise ConfigError("black_anandan", found, f"sides of at least {LEAST_SIDE}", "use a larger size")
    if device != "cpu" and not torch.cuda.is_available():
        raise ConfigError("device", "no CUDA device is available", "cpu", "set the device to cpu")
    precision = torch.float64 if device == "cpu" else torch.float32
    one, two = (torch.from_numpy(np.ascontiguousarray(images)).to(device, precision) for images in (firsts, seconds))
    with torch.inference_mode():
        found_flow = black_anandan_kernel.solve(one, two, options or BlackAnandanOptions())
    return found_flow.float().cpu().numpy()


def flow(first: np.ndarray, second: np.ndarray, options: BlackAnandanOptions | None = None) -> np.ndarray:
    """Return the forward flow (2, H, W) of one pair (H, W); see `flows`."""
    result: np.ndarray = flows(first[None], second[None], options)[0]
    return result
