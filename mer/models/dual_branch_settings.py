"""The settings of the two dual-branch systems: of their input, network and training."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator

from mer.core.params import Params
from mer.models.clip_frames import Sampler

SOURCE_WEIGHTS = (0.3, 0.35, 0.35)


class Preset(Params):
    """Settings of `dual_branch`; the defaults are the published CASME II network."""

    frames: int = 30
    size: int = 128
    sampler: Sampler = "first_n"
    view: Literal["frames", "change"] = "frames"
    scaling: Literal["source", "standard"] = "source"
    augment: bool = False
    dropout: float = 0.5
    l2: float = 0.01
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


class RegionPreset(Preset):
    """Settings of `dual_branch_msmh`; the defaults are the published CASME II variant."""

    sampler: Sampler = "topk_diff"
    rate_step: int = 40
    readout: Literal["first", "last", "mean"] = "mean"
    trunk: int = 64
    pool: int = 3
    gru: int = 512
    head: tuple[int, ...] = (128, 64)
    region: Literal["face", "eyes", "mouth", "eyebrows", "cheeks", "all_four", "none"] = "face"
    regions: Literal["annotation", "predicted", "none"] = "none"
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
