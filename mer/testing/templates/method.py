"""my_plugin: optical flow by least squares in windows (Lucas and Kanade, 1981), one level.

In a configuration: `plugins: [my_plugin.py]`, and `method: my_plugin` in a variant of `flow`. Methods of another stage
follow the class in mer/stages/<stage>/method.py. `mer check-plugin my_plugin.py` says whether it keeps its contract.
"""

import numpy as np
from pydantic import Field

from mer.stages.flow.method import FlowMethod, FlowParams


class Params(FlowParams):
    """The keys of the method; pairs, size, strain and the like are those of every flow method."""

    window: float = Field(3.0, gt=0, le=50, description="standard deviation of the window, pixels")
    floor: float = Field(1.0, gt=0, description="squared gradient below which there is hardly any motion")


def estimate(first: np.ndarray, second: np.ndarray, params: Params) -> np.ndarray:
    """Return (2, H, W) float32, u right and v down in pixels, from grey images (H, W) float32 in 0-255.

    It must not change the images, and give exactly zero for two that are the same.
    """
    # Imported here, because every job reads this file and few need it.
    from scipy.ndimage import gaussian_filter

    down, right = np.gradient((first + second) / 2)
    change = second - first

    def around(values: np.ndarray) -> np.ndarray:
        smoothed: np.ndarray = gaussian_filter(values, params.window)
        return smoothed

    xx, yy, xy = around(right * right) + params.floor, around(down * down) + params.floor, around(right * down)
    x, y = -around(right * change), -around(down * change)
    determinant = xx * yy - xy * xy
    return np.stack([(yy * x - xy * y) / determinant, (xx * y - xy * x) / determinant]).astype(np.float32)


METHOD = FlowMethod(Params, estimate)
