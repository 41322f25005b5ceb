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

import numpy as np

from mer.core.device import float32_products
from mer.motion.batch import on_device
from mer.motion.micro_options import LEAST_SIDE, MicroOptions, settings


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

    one, two = on_device("micro", firsts, seconds, LEAST_SIDE, device, torch.float32)
    with float32_products(), torch.inference_mode():
        return micro_kernel.solve(one, two, settings(options or MicroOptions())).cpu().numpy()


def flow(first: np.ndarray, second: np.ndarray, options: MicroOptions | None = None) -> np.ndarray:
    """Return the forward flow (2, H, W) of one pair (H, W); see `flows`."""
    result: np.ndarray = flows(first[None], second[None], options)[0]
    return result
