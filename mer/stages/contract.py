"""What a stage is, and what the methods of all stages have in common.

A stage is a folder: `stage.py` declares it as `STAGE` and does what its methods share, `method.py` says what a method
of it is, and every other file that ends in `METHOD = ...` is one. Both are found by the names in `mer.stages.registry`.
`mer.testing.methods.check_method` holds any method to its contract, a registered one or not.

Configurations are read with these files alone, before any job starts: PyTorch, OpenCV, SciPy, dlib and h5py are
imported inside functions, or by files that only functions import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeVar

from pydantic import Field

from mer.core.params import Params

if TYPE_CHECKING:
    from mer.core.container import ClipWriter
    from mer.core.source import Source

P = TypeVar("P", bound=Params)
M = TypeVar("M", bound="Method[Any]")
P_contra = TypeVar("P_contra", bound=Params, contravariant=True)
M_contra = TypeVar("M_contra", bound="Method[Any]", contravariant=True)


class DeviceParams(Params):
    """The key of a method that can also compute on a GPU; its `Params` derive from this."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="Where it is computed: `auto` on the GPU that the job was given, where it was given one (the key "
        "`gpu` of the whole file); `cuda` always asks for one and fails without.",
    )

    def gpus(self, on_gpu: bool) -> int:
        """Return how many GPUs a job asks for, in a run whose jobs ask for one where it pays (`on_gpu`) or not."""
        return int(self.device == "cuda" or (self.device == "auto" and on_gpu))

    def placed(self, device: str) -> Self:
        """Return the same parameters with `auto` replaced by what the job was given, `cpu` or `cuda`."""
        return self.model_copy(update={"device": device}) if self.device == "auto" else self

    def resolved_device(self) -> str:
        """Return `cpu` or `cuda`: `auto` is the CPU where no job was given a GPU."""
        return "cpu" if self.device == "auto" else self.device


@dataclass(frozen=True)
class Method(Generic[P]):
    """One way to do the work of a stage; the functions that it needs are in the class of its stage.

    Attributes:
        Params: the keys of the method in the configuration, each described; see `mer.core.params.Params`.
        from_index: the method reads the owner's media by the index row (`from: index`), not a product.
    """

    Params: type[P]
    from_index: bool = field(default=False, kw_only=True)


class Process(Protocol[M_contra, P_contra]):
    """`process(source, out, method, params)`: one clip through a stage."""

    def __call__(self, source: Source, out: ClipWriter, method: M_contra, params: P_contra) -> None:
        """Write the product of one clip: the arrays that the stage declares, and its attributes (docs/architecture.md).

        The same arguments give the same bytes, and the source stays as it is. A long clip never sits in memory: frames
        are read one or a few at a time and written by `ClipWriter.append`.

        Args:
            source: the clip's label-free row; the database's folder, which only stages that read media need; and the
                clip in the product that the variant reads, None for `from: index`.
            out: where the arrays and attributes go.
            method: of this stage.
            params: of the method.

        Raises:
            ClipError, MediaError: this clip cannot go on; it is excluded with the reason, and the next one follows.
            MerError: of any other kind: the product or a key is wrong for every clip; the job stops and leaves no file.
        """


@dataclass(frozen=True)
class Array:
    """One array of a product.

    Attributes:
        shape: its axes by the letters of docs/architecture.md, the first of them that of frames, pairs or regions; axes
            in brackets are there for some sources only.
        dtype: NumPy's name of the type; `or` between names that a key chooses from.
        meaning: what it holds, with the unit.
    """

    shape: str
    dtype: str
    meaning: str


@dataclass(frozen=True)
class Stage(Generic[M, P]):
    """A step of the journey.

    Attributes:
        process: one clip through the stage.
        arrays: what every product has, by name.
        source: what a variant reads that does not say `from`; None where it must say so.
        lacks: `lacks(params)`, the names of the declared arrays that a variant with these parameters does not write.
    """

    process: Process[M, P]
    arrays: Mapping[str, Array]
    source: str | None = None
    lacks: Callable[[Any], frozenset[str]] = lambda params: frozenset()

    def arrays_of(self, params: Params) -> frozenset[str]:
        """Return the names of the arrays that the product of a variant has."""
        return frozenset(self.arrays) - self.lacks(params)
