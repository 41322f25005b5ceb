"""What a method of the `magnify` stage is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from mer.core.params import Params
from mer.stages.contract import Method, P


class FactorParams(Params):
    """The factors and what they are relative to.

    A factor is the total displacement relative to the reference over the displacement filmed, for every method: 1 is no
    change. Where a paper amplifies by alpha what it *adds*, its alpha is the factor minus 1.
    """

    alphas: tuple[float, ...] = Field(
        default=(2.0,), min_length=1, max_length=100, description="Total displacement factors; 1 is no change."
    )
    reference: Literal["onset", "first"] = Field(
        default="onset", description="The frame that all motion is relative to."
    )

    @field_validator("alphas")
    @classmethod
    def _distinct(cls, alphas: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < alpha <= 1000 for alpha in alphas):
            raise ValueError("factors must be above 0 and at most 1000")
        if len(set(alphas)) != len(alphas):
            raise ValueError("factors must differ")
        return alphas

    def order(self, count: int) -> np.ndarray:
        """Return which of `count` source frames each frame of the product shows: (count,) int64."""
        return np.arange(count)


@dataclass(frozen=True)
class MagnifyMethod(Method[P]):
    """An amplifier of motion.

    Attributes:
        magnified: `magnified(frames, reference, params)`, from frames (F, S, S, 3) uint8 RGB, an array or a dataset of
            which one is read at a time, and the index of the frame that motion is relative to, yields the magnified
            clip (F, S, S, 3) uint8 of each of `params.alphas` in turn; its frame k shows the source's
            `params.order(F)[k]`.
    """

    magnified: Callable[[Any, int, P], Iterator[np.ndarray]]
