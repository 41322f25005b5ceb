"""Settings and presets of `mer.models.flow_cnn`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mer.core.params import Params


class Preset(Params):
    """Settings of the input, of the training and of the augmentation."""

    centre: bool
    scale: Literal["fold", "clip"]
    side: Literal[28, 56, 112] = Field(28, description="side of the image that flow is averaged to, pixels")
    pairs: int = Field(1, ge=1, description="frame pairs of the flow, in turn the channels of the image")
    width: int = Field(
        16, ge=1, description="filters of the first convolution; the others have twice and four times as many"
    )
    epochs: int = Field(60, ge=1, description="passes over the training clips")
    period: int = Field(60, ge=1, description="epochs over which the rate falls")
    batch_size: int = Field(32, ge=1, description="clips per step")
    learning_rate: float = Field(2e-3, gt=0, description="first step size of AdamW")
    weight_decay: float = Field(1e-2, ge=0, description="decay of AdamW")
    dropout: float = Field(0.5, ge=0, lt=1, description="share of values dropped before the last layer")
    class_weights: Literal["balanced", "none"] | tuple[float, ...] = "balanced"
    mirror: bool = Field(True, description="half of the clips swap left and right; every clip is scored in both views")
    shift: float = Field(2.0, ge=0, description="largest move along each axis, pixels of the image")
    rotation: float = Field(10.0, ge=0, description="largest turn, degrees")
    zoom: float = Field(0.1, ge=0, description="largest change of size: by a factor of up to 1 + zoom, or its inverse")
    channel_jitter: float = Field(0.25, ge=0, description="largest change of a channel by itself, as `zoom`")
    magnitude_jitter: float = Field(0.25, ge=0, description="largest change of all channels together, as `zoom`")
    cutout: float = Field(8.0, ge=0, description="largest side of the square that is blotted out, pixels of the image")
    mixup: float = Field(0.3, ge=0, le=0.5, description="largest share of another clip and of its class")


PLAIN = dict.fromkeys(("shift", "rotation", "zoom", "channel_jitter", "magnitude_jitter", "cutout", "mixup"), 0.0)
PRESETS: dict[str, Preset] = {
    "float_flow": Preset(centre=False, scale="fold"),
    "minmax_image": Preset(centre=True, scale="clip"),
    "minmax_plain": Preset(centre=True, scale="clip", mirror=False).model_copy(update=PLAIN),
}
