"""The base of every typed parameter object whose fields are keys of `config.yaml`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Immutable parameters; a key that is not a field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
