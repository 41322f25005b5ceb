"""Which frames a flow field lies between, and the keys that the estimating methods share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mer.core.errors import ClipError
from mer.core.params import Params

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


class DeviceParams(FlowParams):
    """What a method that also runs on a GPU is asked for."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the flow is computed; `auto` takes a GPU if PyTorch finds one."
    )

    def resolved_device(self) -> str:
        """Return `cpu` or `cuda`."""
        if self.device != "auto":
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


def frame_pairs(params: FlowParams, events: Mapping[str, Any], count: int, where: str = "clip") -> np.ndarray:
    """Return the index pairs of a clip.

    Args:
        params: `pairs` and `step`.
        events: indices of the known ones of onset, apex and offset.
        count: number of frames of the clip.
        where: the clip's name in messages.

    Returns:
        (P, 2) int64.

    Raises:
        ClipError: an event that the pairs need is unknown or outside the clip, or the clip is too short.
    """
    if params.pairs == "consecutive":
        step = params.step or 1
        if count <= step:
            raise ClipError(where, f"{count} frames", f"more than {step}, for consecutive pairs")
        return np.stack([np.arange(count - step), np.arange(step, count)], axis=1)
    onset = _event(events, "onset", count, where, "use pairs: consecutive")
    if params.pairs == "onset_each":
        if onset == count - 1:
            raise ClipError(where, "no frame after the onset", "at least one", "mend its annotation")
        later = np.arange(onset + 1, count)
        return np.stack([np.full_like(later, onset), later], axis=1)
    other = params.pairs.removeprefix("onset_")
    remedy = "use pairs: onset_offset or onset_each" if other == "apex" else "use pairs: onset_each"
    return np.array([[onset, _event(events, other, count, where, remedy)]], np.int64)


def _event(events: Mapping[str, Any], name: str, count: int, where: str, remedy: str) -> int:
    index = events.get(name)
    if index is None:
        raise ClipError(where, f"{name} unknown", "an annotated one, for these pairs", remedy)
    if not 0 <= index < count:
        raise ClipError(where, f"{name} {index} is outside the clip", f"0 to {count - 1}", "mend its annotation")
    return int(index)
