"""Micro-flow: dense optical flow for facial motions of a few tenths of a pixel, in noise.

A micro-expression moves soft patches of skin by 0.1 to 2 pixels, so the difficulty is not the search but the bias and
the noise. The flow is a cubic B-spline on a coarse lattice, found by Gauss-Newton steps from a coarse to the full
resolution (`mer.motion.micro_kernel`):

- The data term is the squared grey-value difference, collected over each node's B-spline. Its gradients are those of
  the first image only, whose noise is independent of the second's, and the second image is sampled by exact cubic
  splines: interpolation and noise do not bias the flow.
- The data term of a node is divided by the variance of what it leaves unexplained nearby, and multiplied by the share
  of its gradient energy that noise of this variance does not explain. Clean pairs are so trusted, noisy ones smoothed,
  without an option to tune; flat walls and skin take their motion from around.
- The smoothness is Charbonnier's: quadratic for soft motion, linear across the edges of moving regions.
- A gain that varies as a quadratic polynomial over the image and an offset are fitted and removed, so that flicker and
  drifting light are not taken for motion.
- The first coarse step starts from the affine field that fits best, for the motion of the whole head, unless noise
  alone would explain as much. Plain surroundings that say nothing about motion follow it too.
- The coarse level has nodes twice as far apart and a loose smoothness: its few unknowns settle in a few warps that cost
  next to nothing, and local motions of several pixels reach the fine level within its range.

The normal equations live on the lattice, a sixteenth of the pixels, so a step costs little more than its warp, and many
pairs share its small operators: pairs of one clip are best given together (`flows`), with one first image if they all
begin with the same frame. On 24 simulated faces whose motions peak at 0.1 to 2.8 pixels, `preset: fast` had 0.40 of the
end-point error of OpenCV's TV-L1 at its defaults where the face moves, 0.56 with noise of 2 grey levels, and
`preset: accurate` 0.29 and 0.51; for its speed see `mer bench stages`. Any other key overrides the value of the preset.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from mer.core.errors import ConfigError
from mer.core.params import Params

LEAST_SIDE = 16
PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"coarse_warps": 4, "warps": 1, "steps": 2, "smoothness": 10.0, "presmooth": 0.0},
    "accurate": {"coarse_warps": 4, "warps": 2, "steps": 2, "smoothness": 20.0, "presmooth": 0.4},
}


class MicroOptions(Params):
    """Options of micro-flow; a key left out (None) has the preset's value."""

    preset: Literal["fast", "accurate"] = Field(default="fast", description="The values that other keys override.")
    lattice: int = Field(default=4, ge=2, le=32, description="Distance of the flow's nodes, pixels.")
    levels: int = Field(default=2, ge=1, le=3, description="Resolutions, each a quarter of the next.")
    coarse_warps: int | None = Field(
        default=None,
        ge=1,
        le=20,
        description="Warps per coarser level: more follow local motions further.",
    )
    warps: int | None = Field(default=None, ge=1, le=20, description="Warps at full resolution.")
    steps: int | None = Field(default=None, ge=1, le=20, description="Gauss-Newton steps per warp at full resolution.")
    smoothness: float | None = Field(
        default=None, gt=0, description="Weight of the smoothness; that of the data is by their noise."
    )
    coarse_smoothness: float = Field(default=2.0, gt=0, description="Weight of the smoothness at the coarser levels.")
    edge: float = Field(
        default=0.1, gt=0, description="Difference of neighbouring nodes, pixels, beyond which smoothness is linear."
    )
    presmooth: float | None = Field(
        default=None, ge=0, le=5, description="Gaussian sigma on the images at full resolution, pixels."
    )
    floor: float = Field(default=0.5, gt=0, description="Least noise assumed, standard deviation in grey levels.")
    iterations: int = Field(default=3, ge=1, le=200, description="Conjugate gradient iterations per step.")
    lighting: bool = Field(default=True, description="Remove a smooth change of gain, and an offset, of the light.")


def settings(options: MicroOptions) -> MicroOptions:
    """Return options in which every key has its value."""
    given = options.model_dump(include=set(MicroOptions.model_fields), exclude_none=True)
    return MicroOptions(**{**PRESETS[options.preset], **given})


def flows(
    firsts: np.ndarray, seconds: np.ndarray, options: MicroOptions | None = None, device: str = "cpu"
) -> np.ndarray:
    """Return the forward flows of a batch of pairs.

    Args:
        firsts: (B, H, W) grey float32, 0-255, sides of at least 16 pixels; or (1, H, W), the first image of all.
        seconds: (B, H, W).
        options: the defaults when None.
        device: `cpu` or `cuda`. A pair's result depends on its batch by rounding alone (1e-3 pixels at most).

    Returns:
        (B, 2, H, W) float32 pixels, u right, v down; exactly zero for identical images.

    Raises:
        ConfigError: the images are too small, or the device is not there.
    """
    import torch

    from mer.motion import micro_kernel

    fitting = len(firsts) in (1, len(seconds)) and firsts.shape[1:] == seconds.shape[1:]
    if firsts.ndim != 3 or seconds.ndim != 3 or not fitting:
        raise ValueError(f"expected two (B, H, W) arrays, found {firsts.shape} and {seconds.shape}")
    if min(firsts.shape[1:]) < LEAST_SIDE:
        found = f"images of {firsts.shape[2]} x {firsts.shape[1]} pixels"
        raise ConfigError("micro", found, f"sides of at least {LEAST_SIDE}", "use a larger size")
    if device != "cpu" and not torch.cuda.is_available():
        raise ConfigError("device", "no CUDA device is available", "cpu", "set the device to cpu")
    one, two = (torch.from_numpy(np.ascontiguousarray(images, np.float32)).to(device) for images in (firsts, seconds))
    with torch.inference_mode():
        return micro_kernel.solve(one, two, settings(options or MicroOptions())).cpu().numpy()


def flow(first: np.ndarray, second: np.ndarray, options: MicroOptions | None = None) -> np.ndarray:
    """Return the forward flow (2, H, W) of one pair (H, W); see `flows`."""
    result: np.ndarray = flows(first[None], second[None], options)[0]
    return result
