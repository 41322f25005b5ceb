"""A choice of flow estimator, for stages that need flow on the way to something else."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from mer.core.params import Params
from mer.motion import dis, micro, tvl1
from mer.motion.dis import DISOptions
from mer.motion.micro_options import MicroOptions
from mer.motion.tvl1 import TVL1Options


class EstimatorParams(Params):
    """Which algorithm estimates flow, and its options."""

    flow: Literal["micro", "dis", "tvl1"] = Field(
        default="micro", description="The algorithm that estimates the motion."
    )
    micro: MicroOptions = Field(default=MicroOptions(), description="Options of `flow: micro`.")
    dis: DISOptions = Field(default=DISOptions(), description="Options of `flow: dis`.")
    tvl1: TVL1Options = Field(default=TVL1Options(), description="Options of `flow: tvl1`.")

    @model_validator(mode="after")
    def _only_its_own_options(self) -> EstimatorParams:
        for name, field in type(self).model_fields.items():
            if name in ("micro", "dis", "tvl1") and name != self.flow and getattr(self, name) != field.default:
                raise ValueError(f"options of {name} need flow: {name}")
        return self


def estimate(first: np.ndarray, second: np.ndarray, choice: EstimatorParams) -> np.ndarray:
    """Return the forward flow (2, H, W) float32 between two grey images (H, W) float32, 0-255."""
    if choice.flow == "micro":
        return micro.flow(first, second, choice.micro)
    return dis.flow(first, second, choice.dis) if choice.flow == "dis" else tvl1.flow(first, second, choice.tvl1)
