"""A simulated expression.

A photograph in the public domain, its brows raised (action units 1 and 2). Onset, apex, and what changed, eight times
brighter: to the eye, nothing. The other examples import this face.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import mer
from mer.simulate.camera import develop, to_bytes
from mer.simulate.params import SimulateParams
from mer.simulate.registry import plan
from mer.simulate.take import Take

SETTINGS = SimulateParams(subjects=1, clips=3, width=320, height=240, quirks=False, blink=0, intensity=1.5)
CLIP = plan(SETTINGS)[0]
TAKE = Take(SETTINGS, CLIP)
FILMED = np.stack([to_bytes(develop(TAKE.frame(number))) for number in (CLIP.onset, CLIP.apex)])
ALIGNED = mer.align(FILMED, size=160)
ONSET, APEX = ALIGNED.frames


def show(path: str, size: tuple[float, float], pictures: dict[str, np.ndarray], **keys: object) -> None:
    """Save pictures (H, W[, 3]) beside each other under their titles."""
    figure, axes = plt.subplots(1, len(pictures), figsize=size, layout="constrained")
    for axis, (title, picture) in zip(np.atleast_1d(axes), pictures.items(), strict=True):
        axis.imshow(picture, **keys)
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    change = np.abs(APEX.astype(int) - ONSET).clip(0, 31) * 8
    show(sys.argv[1], (7.5, 2.8), {"onset": ONSET, "apex": APEX, "change × 8": change.astype(np.uint8)})
