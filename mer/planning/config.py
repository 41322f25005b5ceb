"""The typed configuration: the only place that knows the keys of `config.yaml`.

`parse` turns the mapping that Snakemake read into a `Config`, or raises one `ConfigError` that names the
path of the offending key, what was expected and the nearest valid name. It touches no file of the user
beyond checking that dataset roots exist, and imports neither torch, OpenCV nor scikit-learn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.core.registry import nearest
from mer.datasets.labels import VIEWS
from mer.datasets.registry import reader
from mer.models.registry import model
from mer.planning.spotting_checks import Named, check_spotting, check_units
from mer.simulate.params import SimulateParams
from mer.spotting.experiment import SpottingBlock
from mer.stages.registry import METHODS, STAGES, load_method, load_stage
from mer.training.recipe import Recipe, settle
from mer.weights.locate import locate

M = TypeVar("M", bound=BaseModel)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*\Z")
VARIANT_STAGES = [stage for stage in STAGES if stage != "frames"]


class DatasetBlock(Params):
    """One database: where it is and who reads it."""

    reader: str = Field(description="Name of the reader: the layout in which the owner ships the database.")
    root: Path | None = Field(None, description="Folder that the licence gave you; absent for a simulated database.")
    simulate: SimulateParams | None = Field(None, description="Simulate the database instead of reading a root.")
    options: dict[str, Any] = Field(default_factory=dict, description="Keys of the reader, e.g. view, apex policy.")
    licence_accepted: bool = Field(False, description="You signed the owner's licence; needed for a licensed `root`.")
    errata: bool = Field(True, description="Apply the published corrections where the old value matches.")
    products: list[str] = Field(
        default_factory=list, description="Products to make besides what the experiments need, as `stage/variant`."
    )


class DiagnoseBlock(Params):
    """Diagnostics of an experiment: they cost jobs of their own and change no result."""

    oracle_epoch: int | None = Field(
        None,
        ge=1,
        description="Keep the weights of every so many epochs, and print what choosing the epoch on the held-out "
        "subject would have claimed, beside what random labels get under that rule. Trains every fold once more.",
    )


class ExperimentBlock(Params):
    """One model, trained and scored under one protocol."""

    model: str = Field(description="A registered model.")
    preset: str | None = Field(None, description="A preset of the model; its first one when absent.")
    data: list[str] = Field(min_length=1, description="Datasets, pooled; subjects stay separate by group.")
    view: str = Field("emotion_3", description="The label view: which rows count, and as what class.")
    protocol: Literal["loso", "kfold", "database"] = Field(
        "loso",
        description="What is held out: each subject, parts of the subjects, or each database (all its subjects).",
    )
    folds: int = Field(5, ge=2, description="Number of folds of `kfold`; unused by `loso`.")
    inputs: dict[str, str] = Field(description="The model's named inputs, each a product `stage/variant`.")
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1, description="One whole run per seed.")
    train: Recipe = Field(default_factory=Recipe, description="Overrides of the preset's training recipe.")
    folds_per_job: int = Field(
        1, ge=1, le=1000, description="Folds that one job trains, side by side on its cores or together on its GPU."
    )
    labels: Literal["true", "permuted"] = Field("true", description="`permuted` shuffles labels: the leak test.")
    diagnose: DiagnoseBlock = Field(default_factory=DiagnoseBlock, description="Diagnostics, off unless named.")

    @field_validator("data", "seeds")
    @classmethod
    def _once(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError("each entry once")
        return values


class ReportBlock(Params):
    """What the report shows."""

    clips: int = Field(3, ge=1, le=50, description="Sample clips pictured per dataset.")


@dataclass(frozen=True)
class Variant:
    """One named variant of a stage: `source` is `index`, `frames` or `stage/variant`."""

    stage: str
    name: str
    source: str
    method: str
    params: Params

    @property
    def key(self) -> str:
        """The product's name as `from:` and `inputs:` write it."""
        return self.stage if self.stage == "frames" else f"{self.stage}/{self.name}"


@dataclass(frozen=True)
class Config:
    """A checked configuration."""

    results: Path
    seed: int
    datasets: Mapping[str, DatasetBlock]
    variants: Mapping[str, Variant]
    experiments: Mapping[str, ExperimentBlock]
    spotting: Mapping[str, SpottingBlock]
    bootstrap: int
    report: ReportBlock

    def chain(self, product: str) -> list[Variant]:
        """Return the variants that lead to `product`, first stage first, `product` last."""
        steps: list[Variant] = []
        while product != "index":
            steps.insert(0, self.variants[product])
            product = steps[0].source
        return steps

    def unit(self, product: str) -> str:
        """Return what the clips of a product are: `expressions`, or whole `recordings` (a key of `align`)."""
        aligned = [step.params for step in self.chain(product) if step.stage == "align"]
        return str(getattr(aligned[0], "clips", "expressions")) if aligned else "expressions"

    def products_of(self, dataset: str) -> list[str]:
        """Return every product of `dataset` that is asked for, with all that lead to it, in journey order."""
        wanted = set(self.datasets[dataset].products)
        for experiment in self.experiments.values():
            if dataset in experiment.data:
                wanted |= set(experiment.inputs.values())
        for spotting in self.spotting.values():
            if dataset in spotting.data:
                wanted |= set(spotting.features.values())
        keys = {variant.key for product in wanted for variant in self.chain(product)}
        return [key for key in self.variants if key in keys]


class Top(Params):
    """The whole file; the blocks of the stages are checked by their methods."""

    results: Path = Field(Path("results"), description="Folder for everything that is made.")
    seed: int = Field(0, description="Seed of fold assignment and label permutation.")
    datasets: dict[str, DatasetBlock] = Field(min_length=1, description="Databases by name.")
    frames: dict[str, Any] = Field(default_factory=dict, description="How frames are listed.")
    align: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    interpolate: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    magnify: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    flow: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    rois: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    spot: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    experiments: dict[str, ExperimentBlock] = Field(default_factory=dict, description="Experiments by name.")
    spotting: dict[str, SpottingBlock] = Field(
        default_factory=dict, description="Experiments that spot expressions in whole recordings, by name."
    )
    bootstrap: int = Field(
        2000, ge=100, le=100_000, description="Draws of the subject bootstrap and of the chance levels."
    )
    report: ReportBlock = Field(default_factory=ReportBlock, description="What the report shows.")


def parse(raw: Mapping[str, Any], where: str = "config.yaml") -> Config:
    """Check a configuration mapping.

    Args:
        raw: the mapping as YAML gave it.
        where: its name in messages.

    Raises:
        ConfigError: unknown or misspelt key, wrong type, dangling reference, missing dataset root.
    """
    top = validate(Top, dict(raw), where, "")
    if top.results.exists() and not top.results.is_dir():
        raise ConfigError(f"{where}: results", f"{str(top.results)!r} is a file", "a folder", "name another one")
    for block in ("datasets", "experiments", "spotting", *VARIANT_STAGES):
        for name in getattr(top, block):
            if not NAME.match(name):
                raise ConfigError(f"{where}: {block}.{name}", "bad name", "letters, digits, '_' and '.' only")
    variants = {variant.key: variant for variant in _variants(top, where)}
    _check_sources(variants, where)
    for name, dataset in top.datasets.items():
        _check_dataset(name, dataset, variants, where)
    for name, experiment in top.experiments.items():
        _check_experiment(name, experiment, top, variants, where)
    config = Config(
        top.results, top.seed, top.datasets, variants, top.experiments, top.spotting, top.bootstrap, top.report
    )
    stages = {key: variant.stage for key, variant in variants.items()}
    named = Named(top.datasets, stages, top.experiments, config.unit)
    check_units(named, where)
    for name, spotting in top.spotting.items():
        check_spotting(name, spotting, named, where)
    return config


def validate(model: type[M], values: Mapping[str, Any], where: str, path: str) -> M:
    """Build a parameter object; turn the first fault into a `ConfigError` that names its key."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join([*([path] if path else []), *(str(part) for part in fault["loc"])])
        if fault["type"] == "extra_forbidden":
            raise ConfigError(
                f"{where}: {key}", "unknown key", remedy=nearest(fault["loc"][-1], _keys(model, fault["loc"]))
            ) from None
        if fault["type"] == "missing":
            raise ConfigError(f"{where}: {key}", "missing", "this key", "add it") from None
        found = "" if isinstance(fault["input"], Mapping) else f" {fault['input']!r}"
        expected = fault["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}: {key}", f"bad value{found}", expected[0].lower() + expected[1:]) from None


def _keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Return the valid keys of the block in which an unknown key stood."""
    for part in location[:-1]:
        if part not in model.model_fields:
            continue
        for candidate in _models_in(model.model_fields[part].annotation):
            model = candidate
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_in(part)


def _variants(top: Top, where: str) -> Iterator[Variant]:
    frames = load_method("frames", "list", where)
    yield Variant("frames", "", "index", "list", validate(frames.Params, top.frames, where, "frames"))
    for stage in VARIANT_STAGES:
        for name, block in getattr(top, stage).items():
            yield _variant(stage, name, dict(block), where)


def _variant(stage: str, name: str, block: dict[str, Any], where: str) -> Variant:
    path = f"{stage}.{name}"
    source = block.pop("from", load_stage(stage).source)
    if source is None:
        raise ConfigError(f"{where}: {path}.from", "missing", "the product that this variant reads, as stage/variant")
    if "method" not in block:
        raise ConfigError(f"{where}: {path}.method", "missing", f"one of {', '.join(METHODS[stage])}")
    method = block.pop("method")
    chosen = load_method(stage, method, f"{where}: {path}.method")
    if (source == "index") != chosen.from_index:
        needs = "from: index" if source != "index" else "from: a product, as stage/variant"
        raise ConfigError(f"{where}: {path}.from", f"method {method} cannot read {source!r}", needs)
    return Variant(stage, name, str(source), str(method), validate(chosen.Params, block, where, path))


def _check_sources(variants: Mapping[str, Variant], where: str) -> None:
    order = list(STAGES)
    for variant in variants.values():
        key = f"{where}: {variant.stage}.{variant.name}.from"
        if variant.source == "index":
            continue
        if variant.source not in variants:
            raise ConfigError(key, f"no product {variant.source!r}", "a product", nearest(variant.source, variants))
        if order.index(variants[variant.source].stage) >= order.index(variant.stage):
            raise ConfigError(
                key, f"{variant.source!r} does not come before {variant.stage}", "an earlier stage's product"
            )


def _check_dataset(name: str, block: DatasetBlock, variants: Mapping[str, Variant], where: str) -> None:
    path = f"{where}: datasets.{name}"
    chosen = reader(block.reader, f"{path}.reader")
    validate(chosen.options, block.options, where, f"datasets.{name}.options")
    if (block.root is None) == (block.simulate is None):
        raise ConfigError(path, "needs either `root` or `simulate`", "exactly one of them")
    if block.root is not None and not block.root.is_dir():
        raise ConfigError(
            f"{path}.root", f"no folder {str(block.root)!r}", "the folder that the licence gave you", "mend the path"
        )
    if block.root is not None:
        chosen.require_licence(name, block.licence_accepted, where)
    for product in block.products:
        _product(f"{path}.products", product, variants)


def _check_experiment(name: str, block: ExperimentBlock, top: Top, variants: Mapping[str, Variant], where: str) -> None:
    path = f"{where}: experiments.{name}"
    settle(block.model, block.preset, block.train, path)
    card = model(block.model, path)
    if block.train.trunk is not None:
        locate(block.train.trunk)
    if block.view not in VIEWS:
        raise ConfigError(f"{path}.view", f"unknown view {block.view!r}", "a label view", nearest(block.view, VIEWS))
    if block.diagnose.oracle_epoch and not card.in_epochs:
        raise ConfigError(f"{path}.diagnose.oracle_epoch", f"model {block.model} has no epochs", "a network")
    for dataset in block.data:
        if dataset not in top.datasets:
            raise ConfigError(f"{path}.data", f"no dataset {dataset!r}", "a dataset", nearest(dataset, top.datasets))
    if len({top.datasets[name].simulate is None for name in block.data}) > 1:
        # A simulated person has the name of a real one, and would be held out, or resampled, as if it were that one.
        raise ConfigError(f"{path}.data", "mixes simulated and licensed databases", "one kind", "make two experiments")
    if set(block.inputs) != set(card.inputs):
        expected = f"{', '.join(card.inputs)} for model {block.model}"
        raise ConfigError(f"{path}.inputs", f"has {', '.join(block.inputs) or 'none'}", expected)
    for key, product in block.inputs.items():
        _product(f"{path}.inputs.{key}", product, variants)
        variant = variants[product]
        lacking = set(card.inputs[key]) - load_stage(variant.stage).arrays_of(variant.params)
        if lacking:
            found = f"{product} has no {', '.join(sorted(lacking))}"
            needs = f"a product with {', '.join(card.inputs[key])}"
            raise ConfigError(f"{path}.inputs.{key}", found, needs, "name a flow product")


def _product(where: str, product: str, variants: Mapping[str, Variant]) -> None:
    if product not in variants:
        raise ConfigError(where, f"no product {product!r}", "a product, as stage/variant", nearest(product, variants))
