"""One clip of a run: its row, and every product of it as arrays that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.container import Container
from mer.core.errors import ContainerError, MerError
from mer.core.registry import nearest
from mer.core.sample import Sample

#: Returns the error that a container which was not made yet ends in.
Missing = Callable[[Path], MerError]


class ClipProduct(Mapping[str, np.ndarray]):
    """The arrays of one clip in one product, by name (docs/architecture.md, Products).

    Nothing is held open: an array is read whole whenever it is asked for, so that an object costs nothing and can be
    pickled.

    Args:
        product: its name, e.g. `flow/apex`.
        path: of its container.
        sample_id: the clip.
    """

    def __init__(self, product: str, path: Path, sample_id: str) -> None:
        self.product, self.path, self.sample_id = product, path, sample_id

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array; raises `ContainerError` where the product has none of this name."""
        with Container(self.path) as box:
            return box.clip(self.sample_id).read(name)

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every array, by its name; none is read."""
        with Container(self.path) as box:
            clip = box.clip(self.sample_id)
            return {name: clip.lazy(name).shape for name in sorted(clip.group)}

    @property
    def attributes(self) -> dict[str, Any]:
        """`fps`, and `onset`, `apex`, `offset` on the product's frames where they are known, and what a stage noted."""
        with Container(self.path) as box:
            return box.clip(self.sample_id).attributes

    @property
    def parameters(self) -> dict[str, Any]:
        """The method and the parameters that the product was made with."""
        with Container(self.path) as box:
            return box.parameters()

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return f"<{self.product} of {self.sample_id}: {arrays}>"


@dataclass(frozen=True, repr=False)
class RunClip:
    """One clip of a run: `clip["flow/apex"]["flow"]`.

    Attributes:
        dataset: its dataset in the configuration.
        row: its row in the index (`mer.core.sample.Sample`): subject, emotion, units, frames of onset, apex and offset.
        paths: the container of every product that the configuration makes of it, made or not.
        sources: product -> product it is made from.
    """

    dataset: str
    row: Sample
    paths: Mapping[str, Path]
    sources: Mapping[str, str]
    missing: Missing

    @property
    def sample_id(self) -> str:
        """The name of the clip in its dataset."""
        return self.row.sample_id

    @property
    def products(self) -> list[str]:
        """The products that the clip is in, in the order of the journey."""
        return [product for product, path in self.paths.items() if path.exists() and not self._reason(path)]

    @property
    def excluded(self) -> dict[str, str]:
        """Why the clip is lacking in a product that was made, by product."""
        told = {product: self._reason(path) for product, path in self.paths.items() if path.exists()}
        return {product: reason for product, reason in told.items() if reason}

    def _reason(self, path: Path) -> str:
        with Container(path) as box:
            return "" if self.sample_id in box.clip_ids else box.failures.get(self.sample_id, "not among its clips")

    def __getitem__(self, product: str) -> ClipProduct:
        """Return the arrays of a product.

        Raises:
            ContainerError: no product of this name, not made yet, or the clip was excluded from it.
        """
        if product not in self.paths:
            found, expected = f"no product {product!r} is made of it", "a product of the dataset"
            remedy = f"{nearest(product, self.paths)}, or add it to `products` of the dataset"
            raise ContainerError(self.dataset, found, expected, remedy)
        path = self.paths[product]
        if not path.exists():
            raise self.missing(path)
        if reason := self._reason(path):
            raise ContainerError(f"{product} of {self.sample_id}", f"the clip was excluded: {reason}")
        return ClipProduct(product, path, self.sample_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self.products)

    def __repr__(self) -> str:
        return f"<clip {self.sample_id} of {self.dataset}: {', '.join(self.products) or 'no product made yet'}>"
