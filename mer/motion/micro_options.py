"""The options of micro-flow; see `mer.motion.micro`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

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
