"""The base of every typed parameter object whose fields are keys of `config.yaml`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

#: Bytes of a name in a folder, on every common file system.
LONGEST_NAME = 255


class Params(BaseModel):
    """Immutable parameters; a key that is not a field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def at_home(path: Path) -> Path:
    """Return a path with `~` read as a shell reads it: nobody means a folder of that name.

    Raises:
        ValueError: there is no such home folder, or no file system takes such a name.
    """
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise ValueError(f"a name of more than {LONGEST_NAME} bytes")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"no home folder for {path.parts[0]}") from None


HomePath = Annotated[Path, AfterValidator(at_home)]
