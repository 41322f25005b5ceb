"""Normal flow: the motion along the gradient of the picture."""

import numpy as np
from pydantic import Field

from mer.stages.flow.method import FlowMethod, FlowParams


class Params(FlowParams):
    floor: float = Field(default=25.0, gt=0, description="squared gradient below which there is no motion")


def estimate(first, second, params):
    down, right = np.gradient(first)
    slope = -(second - first) / (right**2 + down**2 + params.floor)
    return np.stack([slope * right, slope * down]).astype(np.float32)


METHOD = FlowMethod(Params, estimate)
