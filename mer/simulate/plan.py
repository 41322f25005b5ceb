"""The plan of a simulated database: every row, interval and action unit, before a frame is rendered."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mer.core.registry import load
from mer.core.seeds import derive_seed
from mer.simulate.expression import UnitPlan, draw_units
from mer.simulate.params import SimulateParams

APEX_FRACTION = (0.34, 0.58)


@dataclass(frozen=True)
class ClipPlan:
    """One recording and its one expression.

    `onset`, `apex` and `offset` are true file numbers (inclusive); `cells` is what the coding table says, which a
    quirk may make incomplete. `numbers` are the files on disk in the narrowest view that the layout writes.
    `subject_index` (from 0) identifies the face. `quirk` says why the row differs from the ordinary ones, or ''.
    """

    subject: str
    subject_index: int
    clip: str
    emotion: str
    units: tuple[UnitPlan, ...]
    onset: int
    apex: int
    offset: int
    numbers: tuple[int, ...]
    recorded: int
    fps: float
    seed: int
    cells: dict[str, str | int | None] = field(default_factory=dict)
    quirk: str = ""

    @property
    def sample_id(self) -> str:
        """`subject/clip`, the key of the clip in every container."""
        return f"{self.subject}/{self.clip}"


@dataclass(frozen=True)
class Interval:
    """Onset, apex and offset of an expression and the number of the recording's last frame (the first is 1)."""

    onset: int
    apex: int
    offset: int
    recorded: int


def plan(params: SimulateParams) -> tuple[ClipPlan, ...]:
    """Return every clip of the database that `params` describe, by subject, then by clip.

    Pure and deterministic: subject k is the same whatever the number of subjects.

    Raises:
        ConfigError: the layout is not registered.
    """
    from mer.simulate.registry import LAYOUTS

    return tuple(load(LAYOUTS, params.layout, "simulate.layout").plan(params))


def clip_seed(params: SimulateParams, subject_index: int, key: object) -> int:
    """Return the seed of one clip of one subject."""
    return derive_seed(params.seed, "simulate", subject_index, key)


def draw_interval(params: SimulateParams, rng: np.random.Generator, apex_fraction: float | None = None) -> Interval:
    """Draw where in the recording an expression lies, in 1-based frame numbers.

    The apex lies at `APEX_FRACTION` of the way, or at `apex_fraction` (0.5 is the exact midpoint).
    """
    length = round(float(rng.uniform(params.shortest, params.longest)) * params.fps)
    fraction = float(rng.uniform(*APEX_FRACTION)) if apex_fraction is None else apex_fraction
    lead, tail = rng.uniform(0.1, 0.3, 2) * params.fps
    onset = 1 + round(float(lead))
    length += length % 2 if apex_fraction == 0.5 else 0
    apex = onset + min(max(round(length * fraction), 2), length - 2)
    return Interval(onset, apex, onset + length, onset + length + round(float(tail)))


def draw_clip_units(params: SimulateParams, emotion: str, seed: int) -> tuple[UnitPlan, ...]:
    """Draw the action units of the clip with this seed."""
    return draw_units(emotion, params.label_signal, params.intensity, np.random.default_rng(derive_seed(seed, "units")))
