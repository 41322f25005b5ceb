"""Motion, measured and true.

Where the skin went from onset to apex, as measured from the two aligned pictures and as the simulator knows it, in
pixels of the crop.
"""

import sys

import cv2
import numpy as np
from face import ALIGNED, APEX, CLIP, ONSET, TAKE, show

import mer

measured = mer.flow(ONSET, APEX, preset="accurate")

# The true motion is of the filmed frame: seen through the crop of the onset, without what the two crops differ in.
first, second = ALIGNED.transform
filmed = TAKE.flow(CLIP.onset, CLIP.apex)
grid = np.stack(np.meshgrid(np.arange(160.0), np.arange(160.0)), axis=-1)
source = (grid - first[:, 2]) @ np.linalg.inv(first[:, :2]).T
there = source + cv2.remap(filmed, source[..., 0].astype("f4"), source[..., 1].astype("f4"), cv2.INTER_LINEAR)
true = (there @ second[:, :2].T + second[:, 2] - grid).transpose(2, 0, 1)

error = np.hypot(*(measured - true))
pictures = {"measured, px": np.hypot(*measured), "true, px": np.hypot(*true), "error, px": error}
show(sys.argv[1], (7.5, 2.8), pictures, vmin=0, vmax=1.2, cmap="magma")
print(f"median error {np.median(error):.3f} px where the longest motion is {np.hypot(*true).max():.2f} px")
