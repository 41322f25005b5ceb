"""The keys of the reader `table`: what the columns of a user's table mean, and how their cells are read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from mer.core.params import Params
from mer.datasets.options import AlternativesKey, ApexAtOnsetKey, ApexMissingKey
from mer.datasets.table_events import Counting


def header_key(header: str) -> str:
    """Return a header for comparison: lower case, without spaces and the quotes that some tools leave around text."""
    return "".join(header.casefold().split()).strip("'’\"")


class Columns(Params):
    """Headers of the table by what they mean; one that is not named is found where its header is an ordinary one."""

    clip: str = Field(
        "",
        description="the clip: path or name of its video or of its folder of images, or a pattern of images such as "
        "`frames/c3_*.png`, whose `*` stands for the number; needed",
    )
    subject: str = Field("", description="the person; needed")
    onset: str = Field("", description="first frame of the expression; blank cells: the clip is cut to it")
    apex: str = Field("", description="strongest frame")
    offset: str = Field("", description="last frame, inclusive")
    emotion: str = Field("", description="emotion, in any words")
    units: str = Field("", description="action units")
    fps: str = Field("", description="frames per second of the clip")
    database: str = Field("", description="the database that the row is from: equal subjects of two are two people")
    type: str = Field("", description="`micro` or `macro`")
    objective: str = Field("", description="objective class, 1 to 7")

    @model_validator(mode="after")
    def _once(self) -> Columns:
        given: dict[str, str] = {}
        for ours, header in self.model_dump().items():
            if header and header_key(header) in given:
                raise ValueError(f"{given[header_key(header)]} and {ours} are both the column {header!r}; name it once")
            given[header_key(header)] = ours
        return self


class Options(Params):
    """Keys of this database in the configuration."""

    table: str = Field("", description="the CSV or Excel file below the root; the only one when empty")
    sheet: str = Field("", description="its sheet; the only one with the columns when empty")
    columns: Columns = Field(
        default_factory=Columns, description="which header of the table means what; ordinary headers need no entry"
    )
    folder: str = Field("", description="folder below the root in which the clips lie; the root itself when empty")
    media: str = Field(
        "{clip}",
        description="where a clip's frames are, with `{name}` for a cell of the row, by our name or its header, and "
        " `{name:3}` for a number of three digits, e.g. `{subject}/{clip}_*.png`",
    )
    fps: float | None = Field(
        None, gt=0, le=10_000, description="frames per second of all clips; a cell of `columns.fps` goes before"
    )
    counting: Counting = Field(
        "auto",
        description="what onset, apex and offset count: `auto` the numbers in the names of images and a video's frames "
        "from 0; `from_0` or `from_1` frames in order; `from_onset` frames of a recording that the clip was cut from, "
        "its first frame the onset; `seconds` times, also as 0:01.25",
    )
    emotions: dict[Annotated[str, Field(coerce_numbers_to_str=True)], str] = Field(
        default_factory=dict, description="the table's words for emotions -> ours; words not named stay as they are"
    )
    database: str = Field("", description="name of the database that all rows are from, `table` when empty")
    may_miss: float = Field(0.1, ge=0, le=1, description="share of an interval's images that may be missing on disk")
    apex_missing: ApexMissingKey = "midpoint"
    apex_at_onset: ApexAtOnsetKey = "midpoint"
    alternatives: AlternativesKey = "all"
