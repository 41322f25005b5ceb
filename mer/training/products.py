"""The containers of one named input of a task, opened subject by subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mer.core.container import Container
from mer.core.errors import ContainerError, ModelError
from mer.core.made import Step, require_made

#: `{input: {source: path}}`.
Containers = Mapping[str, Mapping[str, str | Path]]
#: `{input: steps}`.
Chains = Mapping[str, Sequence[Step]]


def why_failed(boxes: Mapping[str, Container], sample_id: str) -> str:
    """Return why a clip is lacking in some of the containers of each input, empty where it is in all."""
    failed = {name: box.failures.get(sample_id) for name, box in boxes.items()}
    return "; ".join(f"{name}: {why}" for name, why in failed.items() if why is not None)


class Product:
    """The containers of one input, all made in the same way.

    Args:
        name: of the input.
        containers: of every input.
        chains: the steps that must have led to each input; one that is not named may have been made in any way.

    Attributes:
        made: `stage` and `parameters` of the containers that were opened; empty when none was.
    """

    def __init__(self, name: str, containers: Containers, chains: Chains | None = None) -> None:
        self.name, self._paths = name, containers.get(name, {})
        self._wanted = (chains or {}).get(name)
        self.made: dict[str, Any] = {}

    def open(self, source: str) -> Container:
        """Open the container of a source, to be closed by the caller.

        Raises:
            ModelError: no container for it, or one that was made otherwise than those before.
            ContainerError: it is missing or unfinished, or was made otherwise than it should have been.
        """
        if source not in self._paths:
            raise ModelError(f"input {self.name}", f"no container for {source}", "one for every subject of the table")
        box = Container(self._paths[source])
        if self._wanted is not None:
            try:
                require_made(box, self._wanted)
            except ContainerError:
                box.__exit__()
                raise
        made = {"stage": str(box.attributes["stage"]), "parameters": box.parameters()}
        for key, value in made.items():
            if self.made.setdefault(key, value) != value:
                box.__exit__()
                message = f"made with another {key} than the other subjects"
                raise ModelError(box.path, message, f"{self.made[key]}", "run that stage again for every subject")
        return box
