"""The keys that every magnification method has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mer.core.params import Params


class FactorParams(Params):
    """The factors and what they are relative to."""

    alphas: tuple[float, ...] = Field(
        default=(2.0,), min_length=1, max_length=100, description="Total displacement factors."
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
