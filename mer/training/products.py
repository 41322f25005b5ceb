"""The containers of one named input of a task, opened subject by subject."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mer.core.container import Container
from mer.core.errors import ModelError

#: `{input: {source: path}}`.
Containers = Mapping[str, Mapping[str, str | Path]]


def why_failed(boxes: Mapping[str, Container], sample_id: str) -> str:
    """Return why a clip is lacking in some of the containers of each input, empty where it is in all."""
    failed = {name: box.failures.get(sample_id) for name, box in boxes.items()}
    return "; ".join(f"{name}: {why}" for name, why in failed.items() if why is not None)


class Product:
    """The containers of one input, all made in the same way.

    Args:
        name: of the input.
        containers: of every input.

    Attributes:
        made: `stage` and `parameters` of the containers that were opened; empty when none was.
    """

    def __init__(self, name: str, containers: Containers) -> None:
        self.name, self._paths = name, containers.get(name, {})
        self.made: dict[str, Any] = {}

    def open(self, source: str) -> Container:
        """Open the container of a source, to be closed by the caller.

        Raises:
            ModelError: no container for it, or one that was made otherwise than those before.
            ContainerError: it is missing or unfinished.
        """
        if source not in self._paths:
            raise ModelError(f"input {self.name}", f"no container for {source}", "one for every subject of the table")
        box = Container(self._paths[source])
        made = {"stage": str(box.attributes["stage"]), "parameters": box.parameters()}
        for key, value in made.items():
            if self.made.setdefault(key, value) != value:
                box.__exit__()
                message = f"made with another {key} than the other subjects"
                raise ModelError(box.path, message, f"{self.made[key]}", "run that stage again for every subject")
        return box
