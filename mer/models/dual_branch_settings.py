"""The settings of the two dual-branch systems: of their input, network and training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from mer.core.params import Params
from mer.models.clip_frames import Sampler

SOURCE_WEIGHTS = (0.3, 0.35, 0.35)
#: Of both systems, those that an experiment may override.
SETTINGS = (
    "batch_size",
    "class_weights",
    "dropout",
    "epochs",
    "first",
    "frames",
    "learning_rate",
    "sampler",
    "size",
)


class Preset(Params):
    """Settings of `dual_branch`; the defaults are the published CASME II network.

    `first` is the frame of the product that the sampler `first_n` begins with; `colours` the order in which the network
    is given red, green and blue.
    """

    frames: int = Field(30, ge=1, le=1000)
    size: int = Field(128, ge=8, le=1024)
    sampler: Sampler = "first_n"
    first: int = Field(0, ge=0)
    colours: Literal["rgb", "bgr"] = "rgb"
    view: Literal["frames", "change"] = "frames"
    scaling: Literal["source", "standard"] = "source"
    augment: bool = False
    dropout: float = 0.5
    l2: float = 0.01
    attention_l2: float | None = None
    class_weights: Literal["balanced", "none"] | tuple[float, ...] = SOURCE_WEIGHTS
    epochs: int = 200
    batch_size: int = 8
    learning_rate: float = 1e-3
    rate_step: int = 0
    rate_gamma: float = 0.9
    readout: Literal["first", "last", "mean"] = "first"
    width: int = 32
    trunk: int = 32
    pool: int = 2
    norm: bool = False
    attention: Literal["eccbam", "eccbam_sum", "eccbam_figure", "cbam"] = "eccbam"
    bottleneck: tuple[int, int] = (128, 64)
    gru: int = 1024
    head: tuple[int, ...] = (32,)

    @field_validator("first")
    @classmethod
    def _begins_a_range(cls, first: int, info: ValidationInfo) -> int:
        sampler = info.data.get("sampler", "first_n")
        if first and sampler != "first_n":
            raise ValueError(f"sampler {sampler} has no first frame; set first: 0, or sampler: first_n")
        return first


class RegionPreset(Preset):
    """Settings of `dual_branch_msmh`; the defaults are those of the published variants.

    `units` are the action units that choose a region; None for all that the table of regions names.
    """

    sampler: Sampler = "topk_diff"
    rate_step: int = 40
    readout: Literal["first", "last", "mean"] = "mean"
    trunk: int = 64
    pool: int = 3
    gru: int = 512
    head: tuple[int, ...] = (128, 64)
    region: str = "face"
    regions: Literal["annotation", "predicted", "none"] = "none"
    units: tuple[int, ...] | None = None
    third_dropout: bool = False
    divisors: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256)
    query_window: int | None = 10
    causal_heads: int = 0
    head_dropout: float = 0.0
    dropout_before_head: bool = False

    @field_validator("regions")
    @classmethod
    def _has_a_branch(cls, regions: str, info: ValidationInfo) -> str:
        if regions != "none" and info.data.get("region") == "none":
            raise ValueError("this preset has no region branch")
        return regions

    @field_validator("units")
    @classmethod
    def _chooses(cls, units: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        if units is not None and info.data.get("regions") == "none":
            raise ValueError("no action unit chooses a region unless regions is annotation or predicted")
        return units
