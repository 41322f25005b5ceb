"""What a user may choose about simulated recordings; every field is a key of `config.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from mer.core.params import Params
from mer.core.registry import nearest
from mer.simulate.names import LAYOUTS, camera_defaults


class SimulateParams(Params):
    """Size, contents and faults of a simulated database. Pixels are those of the written frames.

    A layout whose camera differs (`mer.simulate.contract.Camera`) has defaults of its own for frame rate, size and
    durations.
    """

    layout: str = Field("casme2", description="database whose folders, names, table and quirks are imitated")
    subjects: int = Field(12, ge=1, le=99, description="number of people")
    clips: int = Field(6, ge=1, le=40, description="clips per person whose emotion counts in the 3-class task")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of everything random")
    fps: float = Field(200.0, ge=25, le=500, description="frames per second")
    width: int = Field(640, ge=160, le=2048, description="frame width in pixels")
    height: int = Field(480, ge=120, le=1440, description="frame height in pixels")
    shortest: float = Field(0.15, ge=0.04, le=2.0, description="shortest expression, onset to offset, in seconds")
    longest: float = Field(0.22, ge=0.04, le=2.0, description="longest expression, onset to offset, in seconds")
    intensity: float = Field(
        1.0, ge=0, le=4, description="factor on every facial displacement; 1 peaks near 1-3 px at 640x480"
    )
    label_signal: float = Field(
        1.0,
        ge=0,
        le=1,
        description="probability that a clip's action units follow its label; at 0 they are independent of it",
    )
    noise: float = Field(1.5, ge=0, le=20, description="sensor noise at mid-grey, standard deviation in grey levels")
    flicker: float = Field(0.003, ge=0, le=0.1, description="relative amplitude of lamp flicker")
    drift: float = Field(1.5, ge=0, le=20, description="amplitude of head drift in pixels at 640x480")
    blink: float = Field(0.15, ge=0, le=1, description="probability that a clip contains a blink")
    seconds: float = Field(
        0.0,
        ge=0,
        le=7200,
        description="length of each whole recording in seconds (casme_sq, samm_lv); 0: as short as possible",
    )
    talk: float = Field(0.0, ge=0, le=1, description="probability of talking in each 4 s of rest of a whole recording")
    turn: float = Field(
        0.0, ge=0, le=1, description="probability of a turn of the head in each 4 s of rest of a whole recording"
    )
    raw: bool = Field(False, description="also write the whole recording with neutral frames before and after")
    quirks: bool = Field(True, description="add the rows and faults that the real database is known for")
    jpeg_quality: int = Field(95, ge=50, le=100, description="JPEG quality of the written frames")

    @model_validator(mode="before")
    @classmethod
    def _camera(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {**camera_defaults(str(values.get("layout", ""))), **values}

    @field_validator("layout")
    @classmethod
    def _known_layout(cls, value: str) -> str:
        if value not in LAYOUTS:
            raise ValueError(f"unknown layout {value!r}; {nearest(value, LAYOUTS)}")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> SimulateParams:
        if self.longest < self.shortest:
            raise ValueError(f"longest ({self.longest} s) is below shortest ({self.shortest} s)")
        if self.shortest * self.fps < 6:
            raise ValueError(f"shortest ({self.shortest} s) holds fewer than 6 frames at {self.fps} fps")
        if not 1.2 <= self.width / self.height <= 2.0:
            raise ValueError(
                f"frames of {self.width}x{self.height} are not between 6:5 and 2:1, the face would not fit"
            )
        return self
