"""Class schemes ("views"): which rows of a database take part in an experiment, each in which class.

A view is data: those that come with mer stand in `views.yaml`, a user's own under `views` of the configuration, in the
same form (`ViewBlock`). Whatever a view does not name takes no part; an experiment counts it. Action units are read
the same way for all (`mer.datasets.labels.shown_units`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.core.registry import nearest
from mer.core.sample import Sample
from mer.core.validation import validate
from mer.datasets.labels import normalise_emotion, shown_units

#: The file of the shipped schemes.
FILE = Path(__file__).with_name("views.yaml")


class Takes(Params):
    """What a class takes: a row that meets every key given."""

    emotions: tuple[str, ...] = Field((), description="Emotion words, as the table has them or as mer folds them.")
    objective: tuple[int, ...] = Field((), description="Objective classes, 1 to 7.")
    units: tuple[int, ...] = Field((), description="Action units of which the row shows at least one.")
    without: tuple[int, ...] = Field((), description="Action units of which the row shows none.")

    @field_validator("emotions")
    @classmethod
    def _folded(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(normalise_emotion(word) for word in words)

    @model_validator(mode="after")
    def _something(self) -> Takes:
        if not (self.emotions or self.objective or self.units or self.without):
            raise ValueError("takes nothing; expected emotions, objective, units or without")
        return self

    @property
    def told(self) -> str:
        """What the class takes, in words."""
        parts = [" or ".join(self.emotions)] if self.emotions else []
        for name, numbers in (("objective class", self.objective), ("action unit", self.units)):
            parts += [f"{name} {' or '.join(map(str, numbers))}"] if numbers else []
        parts += [f"no action unit {' or '.join(map(str, self.without))}"] if self.without else []
        return ", ".join(parts)

    def __call__(self, sample: Sample, shown: frozenset[int] | None) -> bool:
        """Tell whether the class takes a row that shows these action units (None: nobody coded it)."""
        if self.emotions and sample.emotion_norm not in self.emotions:
            return False
        if self.objective and sample.objective_class not in self.objective:
            return False
        if (self.units or self.without) and shown is None:
            return False
        seen = shown or frozenset()
        return (not self.units or bool(seen & set(self.units))) and not seen & set(self.without)


def _spelt_out(classes: Any) -> Any:
    """Return classes with their short forms written out: a list of words, or words in place of what a class takes."""
    if isinstance(classes, list | tuple):
        if len(set(map(str, classes))) < len(classes):
            raise ValueError("a class stands twice")
        classes = {str(name): [name] for name in classes}
    if not isinstance(classes, Mapping):
        return classes
    for name, takes in classes.items():
        if isinstance(takes, str):
            raise ValueError(f"class {name!r} takes the single word {takes!r}; expected a list: [{takes}]")
    return {str(name): {"emotions": takes} if isinstance(takes, list) else takes for name, takes in classes.items()}


class ViewBlock(Params):
    """A class scheme as it is written."""

    classes: dict[str, Takes] = Field(
        min_length=2,
        description="The classes, in the order of every table and confusion matrix, each with what it takes: a list of "
        "emotions, or a mapping of `emotions`, `objective`, `units`, `without`, all of which a row must meet. A plain "
        "list of classes: each takes the emotion of its name. The first class that takes a row has it.",
    )
    datasets: dict[str, dict[str, Takes]] = Field(
        default_factory=dict,
        description="What the classes take in databases where that differs, in the same form; a class that is not "
        "named there does not exist in that database.",
    )
    only: tuple[str, ...] = Field((), description="The databases that it is defined for; all where empty.")
    leave_out: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Clips (`sample_id`) that take no part, by database."
    )
    kind: Literal["", "micro", "macro"] = Field("", description="Take expressions of this kind only.")
    blank_units: Literal["not coded", "absent"] = Field(
        "not coded",
        description="What a blank cell of action units means to `without`: that nobody looked, so that no class takes "
        "the row, or that no unit was seen.",
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _classes(cls, classes: Any) -> Any:
        return _spelt_out(classes)

    @field_validator("datasets", mode="before")
    @classmethod
    def _datasets(cls, datasets: Any) -> Any:
        if not isinstance(datasets, Mapping):
            return datasets
        return {name: _spelt_out(classes) for name, classes in datasets.items()}

    @field_validator("leave_out")
    @classmethod
    def _left_out(cls, clips: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        # Names of folders, hence of clips, differ in case between copies.
        return {dataset: tuple(clip.casefold() for clip in some) for dataset, some in clips.items()}

    @model_validator(mode="after")
    def _consistent(self) -> ViewBlock:
        for dataset, classes in self.datasets.items():
            for name in classes:
                if name not in self.classes:
                    raise ValueError(f"datasets.{dataset} has a class {name!r}; {nearest(name, self.classes)}")
        for dataset in (*self.datasets, *self.leave_out):
            if self.only and dataset not in self.only:
                raise ValueError(f"{dataset!r} is not among `only`")
        for classes in (self.classes, *self.datasets.values()):
            _once(classes)
        return self

    def of(self, dataset: str) -> Mapping[str, Takes]:
        """Return the classes of a database, each with what it takes there."""
        return self.datasets.get(dataset, self.classes)


def _once(classes: Mapping[str, Takes]) -> None:
    """Refuse an emotion that two classes take by nothing but its name."""
    first: dict[str, str] = {}
    for name, takes in classes.items():
        alone = not (takes.objective or takes.units or takes.without)
        for word in takes.emotions if alone else ():
            if word in first:
                raise ValueError(f"{word!r} belongs to {first[word]} and to {name}; expected one class for it")
            first[word] = name


@dataclass(frozen=True)
class View:
    """A class scheme under its name."""

    name: str
    block: ViewBlock

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class, in the fixed order of every table and confusion matrix."""
        return tuple(self.block.classes)

    @property
    def written(self) -> dict[str, object]:
        """Its name and all its keys: what a job depends on that reads classes."""
        return {"name": self.name, **self.block.model_dump(mode="json", exclude_defaults=True)}

    def defined_for(self, dataset: str) -> bool:
        """Tell whether rows of a database can have a class."""
        return not self.block.only or dataset in self.block.only

    def classes_of(self, datasets: Iterable[str]) -> tuple[str, ...]:
        """Return the classes that the given databases can have, in the view's fixed order.

        Raises:
            ConfigError: the view is not defined for one of the databases.
        """
        datasets = sorted(set(datasets))
        foreign = [dataset for dataset in datasets if not self.defined_for(dataset)]
        if foreign:
            expected = f"one of {', '.join(self.block.only)}"
            raise ConfigError("view", f"{self.name} is not defined for {', '.join(foreign)}", expected)
        present = {name for dataset in datasets for name in self.block.of(dataset)}
        return tuple(name for name in self.classes if name in present)

    def class_of(self, sample: Sample) -> str | None:
        """Return the class of a row, None when the row takes no part. Status is not looked at."""
        dataset, block = sample.dataset, self.block
        if not self.defined_for(dataset) or (block.kind and sample.expression_type != block.kind):
            return None
        if sample.sample_id.casefold() in block.leave_out.get(dataset, ()):
            return None
        shown = self._shown(sample)
        return next((name for name, takes in block.of(dataset).items() if takes(sample, shown)), None)

    def _shown(self, sample: Sample) -> frozenset[int] | None:
        if not any(takes.units or takes.without for takes in self.block.of(sample.dataset).values()):
            return None
        shown = shown_units(sample)
        return frozenset() if shown is None and self.block.blank_units == "absent" else shown

    def words(self, dataset: str) -> Iterator[str]:
        """Yield every emotion that some class names in a database."""
        for takes in self.block.of(dataset).values():
            yield from takes.emotions

    def told(self, datasets: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """Yield database, class, and what it takes there in words; databases that do not differ share one row."""
        datasets = sorted(set(datasets))
        alike = [dataset for dataset in datasets if dataset not in self.block.datasets]
        for name, takes in self.block.classes.items() if alike else ():
            yield ", ".join(alike), name, takes.told
        for dataset in datasets:
            for name, takes in self.block.datasets.get(dataset, {}).items():
                yield dataset, name, takes.told


def view_block(block: Any, at: str) -> ViewBlock:
    """Return a class scheme that is already checked, or is written as a mapping.

    Raises:
        ConfigError: it is not of the form of the key `views`.
    """
    if isinstance(block, ViewBlock):
        return block
    if not isinstance(block, Mapping):
        raise ConfigError(at, f"a {type(block).__name__}", "a mapping with `classes`, as the key views takes")
    file, _, path = at.partition(": ")
    return validate(ViewBlock, block, file, path)


def views_of(blocks: Mapping[str, Any]) -> dict[str, View]:
    """Return views from mappings in the form of `ViewBlock`.

    Raises:
        pydantic.ValidationError: a mapping is not of that form.
    """
    return {name: View(name, ViewBlock.model_validate(block)) for name, block in blocks.items()}


@cache
def shipped_views() -> Mapping[str, View]:
    """Return the class schemes that come with mer, by name."""
    return views_of(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def view_of(name: str) -> View:
    """Return a view that comes with mer.

    Raises:
        ConfigError: there is none of this name; the message names the nearest one.
    """
    known = shipped_views()
    if name not in known:
        raise ConfigError("view", f"unknown class scheme {name!r}", "a named class scheme", nearest(name, known))
    return known[name]


def with_classes(sample: Sample) -> Sample:
    """Return the row with its `emotion_3` to `emotion_7` columns filled in from `emotion_norm`."""
    return dataclasses.replace(
        sample,
        emotion_3=view_of("emotion_3").class_of(sample),
        emotion_4=view_of("emotion_4").class_of(sample),
        emotion_5=view_of("emotion_5").class_of(sample),
        emotion_7=view_of("emotion_7").class_of(sample),
    )
