"""Keys that several readers have in common; each reader's class `Options` names the ones that it has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mer.datasets.alternatives import Alternatives
from mer.datasets.intervals import ApexPolicy

_TABLE = "annotation table below the root; found by its released {} when empty"

TablesKey = Annotated[str, Field(description=_TABLE.format("names"))]
TableKey = Annotated[str, Field(description=_TABLE.format("name"))]
TreeKey = Annotated[
    Literal["raw", "selected", "cropped"], Field(description="which of the released image trees to read")
]
CameraKey = Annotated[Literal["hs", "vis", "nir"], Field(description="camera: high-speed, visual or near-infrared")]
ApexMissingKey = Annotated[ApexPolicy, Field(description="what to do where no usable apex is annotated")]
ApexAtOnsetKey = Annotated[ApexPolicy, Field(description="what to do where the apex equals the onset")]
NoApexKey = Annotated[ApexPolicy, Field(description="what stands for the apex, which is not annotated")]
RenumberedKey = Annotated[
    int | None,
    Field(
        description="where images have other numbers than the released ones: that of the first image of every clip or, "
        "where clips begin at different numbers, what was added to all"
    ),
]
AlternativesKey = Annotated[
    Alternatives,
    Field(description="which branches of an `or` in an AU cell to keep; `resolved` as in CD6ME, else the first"),
]
