"""TV-L1 optical flow (Zach, Pock and Bischof, DAGM 2007) by OpenCV's DualTVL1.

`preset: opencv` is OpenCV's default set, which SOFTNet, MEAN and most micro-expression papers use (specs/
mean-softnet.md §3). `preset: accurate` couples the data and smoothness parts closer (theta 0.1), trusts the data a
little more (lambda 0.2), and estimates twice more what the estimate missed (`mer.motion.refine`): at about the same
cost, the end-point error on faces with known sub-pixel motion is about a third. Any other key overrides the value of
the preset.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from pydantic import Field

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.motion.refine import refined

PRESETS: dict[str, dict[str, Any]] = {
    "opencv": {
        "Tau": 0.25,
        "Lambda": 0.15,
        "Theta": 0.3,
        "ScalesNumber": 5,
        "ScaleStep": 0.8,
        "WarpingsNumber": 5,
        "Epsilon": 0.01,
        "InnerIterations": 30,
        "OuterIterations": 10,
        "Gamma": 0.0,
        "MedianFiltering": 5,
        "refinements": 0,
        "smoothing": 0.0,
    }
}
PRESETS["accurate"] = {**PRESETS["opencv"], "Theta": 0.1, "Lambda": 0.2, "refinements": 2, "smoothing": None}

_SETTERS = {
    "tau": "Tau",
    "attachment": "Lambda",
    "theta": "Theta",
    "scales": "ScalesNumber",
    "scale_step": "ScaleStep",
    "warps": "WarpingsNumber",
    "epsilon": "Epsilon",
    "inner_iterations": "InnerIterations",
    "outer_iterations": "OuterIterations",
    "gamma": "Gamma",
    "median": "MedianFiltering",
    "refinements": "refinements",
    "smoothing": "smoothing",
}


class TVL1Options(Params):
    """Options of TV-L1; a key left out (None) has the preset's value."""

    preset: Literal["accurate", "opencv"] = Field(
        default="accurate", description="The values that other keys override."
    )
    tau: float | None = Field(default=None, gt=0, le=0.25, description="Time step of the dual update.")
    attachment: float | None = Field(
        default=None, gt=0, description="Weight of the data term (lambda): small is smooth."
    )
    theta: float | None = Field(default=None, gt=0, description="Coupling of data and smoothness; small is tight.")
    scales: int | None = Field(default=None, ge=1, le=12, description="Pyramid levels.")
    scale_step: float | None = Field(default=None, gt=0.1, lt=1, description="Size ratio of neighbouring levels.")
    warps: int | None = Field(default=None, ge=1, le=50, description="Warps per level.")
    epsilon: float | None = Field(default=None, gt=0, description="Stopping threshold.")
    inner_iterations: int | None = Field(default=None, ge=1, description="Inner iterations per outer one.")
    outer_iterations: int | None = Field(default=None, ge=1, description="Outer iterations per warp.")
    gamma: float | None = Field(default=None, ge=0, description="Weight of an illumination change term.")
    median: Literal[1, 3, 5] | None = Field(
        default=None, description="Side of the median filter on the flow; 1 is none."
    )
    refinements: int | None = Field(
        default=None, ge=0, le=10, description="Further estimates of what the estimate missed."
    )
    smoothing: float | None = Field(
        default=None, ge=0, le=50, description="Gaussian sigma on estimates, pixels; `accurate`: 1/112 of the side."
    )


def settings(options: TVL1Options) -> dict[str, Any]:
    """Return the values that `options` amount to: OpenCV's setters, `refinements` and `smoothing`."""
    given = options.model_dump(include=set(_SETTERS), exclude_none=True)
    return {**PRESETS[options.preset], **{_SETTERS[key]: value for key, value in given.items()}}


def flow(first: np.ndarray, second: np.ndarray, options: TVL1Options | None = None) -> np.ndarray:
    """Return the forward flow from `first` to `second`.

    Args:
        first: (H, W) grey float32, 0-255.
        second: the same.
        options: the accurate preset when None.

    Returns:
        (2, H, W) float32 pixels, u right, v down; exactly zero for identical images.

    Raises:
        ConfigError: the installed OpenCV lacks its contributed modules.
    """
    import cv2

    if not hasattr(cv2, "optflow"):
        remedy = "uninstall other OpenCV wheels and reinstall opencv-contrib-python-headless"
        raise ConfigError("tvl1", "this OpenCV has no TV-L1", "opencv-contrib-python-headless", remedy)
    values = settings(options or TVL1Options())
    passes, sigma = values.pop("refinements"), values.pop("smoothing")
    estimator = cv2.optflow.createOptFlow_DualTVL1()
    for name, value in values.items():
        getattr(estimator, f"set{name}")(value)

    def estimate(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        # OpenCV multiplies float images by 255; uint8 images would round the grey values.
        nothing = cast(Any, None)
        return np.asarray(estimator.calc(one / np.float32(255), two / np.float32(255), nothing)).transpose(2, 0, 1)

    return refined(estimate, np.asarray(first, np.float32), np.asarray(second, np.float32), passes, sigma)
