"""What a method of the `flow` stage is, and the keys that the estimating ones share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from mer.core.params import Params
from mer.stages.contract import Method, P

Pairing = Literal["onset_apex", "onset_each", "consecutive", "onset_offset"]


class FlowParams(Params):
    """What every estimating method is asked for."""

    pairs: Pairing = Field(
        default="onset_apex",
        description="`onset_apex` and `onset_offset`: one pair; `onset_each`: the onset and every later frame; "
        "`consecutive`: every frame and the one `step` later.",
    )
    step: int | None = Field(
        default=None, ge=1, description="Distance of the frames of `consecutive` pairs; 1 when absent."
    )
    size: int | None = Field(
        default=None, ge=16, le=2048, description="Shrink crops to this side; flow is in its pixels."
    )
    centre: Literal["none", "nose", "median", "similarity"] = Field(
        default="none",
        description="Head motion to take out of the flow: the mean of a patch on the bridge of the nose, the median, "
        "or a robust fit of shift, rotation and scale.",
    )
    strain: Literal["none", "central", "backward", "forward"] = Field(
        default="central",
        description="Differences of the strain, from the centred flow: `backward` is MEAN's, `forward` SOFTNet's; "
        "`none` stores no strain.",
    )
    dtype: Literal["float32", "float16"] = Field(default="float32", description="How flow and strain are stored.")

    @model_validator(mode="after")
    def _used(self) -> FlowParams:
        if self.step is not None and self.pairs != "consecutive":
            raise ValueError("step needs pairs: consecutive")
        return self


@dataclass(frozen=True)
class FlowMethod(Method[P]):
    """An estimator of the motion between two images.

    Images are grey float32, 0-255; flow is in pixels, u right and v down, from the first image to the second; identical
    images give exactly zero.

    Attributes:
        estimate: `estimate(first, second, params)`, from two images (H, W) to (2, H, W) float32.
        estimate_many: `estimate_many(firsts, seconds, params)`, from (P, H, W) seconds, and as many firsts or one that
            all pairs begin with, to (P, 2, H, W) float32; None for an algorithm that gains nothing by it.
    """

    estimate: Callable[[np.ndarray, np.ndarray, P], np.ndarray]
    estimate_many: Callable[[np.ndarray, np.ndarray, P], np.ndarray] | None = None


def batched(params: type[P], estimate_many: Callable[[np.ndarray, np.ndarray, P], np.ndarray]) -> FlowMethod[P]:
    """Return the method of an algorithm that estimates many pairs at once."""

    def estimate(first: np.ndarray, second: np.ndarray, keys: P) -> np.ndarray:
        pair: np.ndarray = estimate_many(first[None], second[None], keys)[0]
        return pair

    return FlowMethod(params, estimate, estimate_many)


@dataclass(frozen=True)
class ImageMethod(Method[P]):
    """A reader of flow that others computed and publish as one image a clip; its `from_index` is True.

    Attributes:
        read: `read(path)`, the image (S, S, 3) uint8 of a file; raises `ClipError` where it is none.
        decode: `decode(image, params)`, from that image to flow (2, S, S) and strain (S, S), float32.
    """

    read: Callable[[Path], np.ndarray]
    decode: Callable[[np.ndarray, P], tuple[np.ndarray, np.ndarray]]
