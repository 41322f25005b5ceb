"""Larger than filmed.

The apex with its motion three and eight times as large: the same method as the stage `magnify`, without a network.
"""

import sys

import numpy as np
from face import APEX, ONSET, show

import mer

factors = (1, 3, 8)
made = mer.magnify(np.stack([ONSET, APEX]), factors)
show(sys.argv[1], (7.5, 2.8), {f"apex × {factor}": frames[1] for factor, frames in zip(factors, made, strict=True)})
