"""The blocks of `config.yaml` and their keys; what the blocks of the stages hold is up to their methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from mer.core.params import HomePath, Params
from mer.datasets.views import ViewBlock
from mer.planning.gpus import Gpu
from mer.simulate.params import SimulateParams
from mer.spotting.experiment import SpottingBlock
from mer.training.recipe import Recipe


class DatasetBlock(Params):
    """One database: where it is and who reads it."""

    reader: str = Field(description="Name of the reader: the layout in which the owner ships the database.")
    root: HomePath | None = Field(
        None, description="Folder that the licence gave you; absent for a simulated database."
    )
    simulate: SimulateParams | None = Field(None, description="Simulate the database instead of reading a root.")
    options: dict[str, Any] = Field(default_factory=dict, description="Keys of the reader, e.g. view, apex policy.")
    licence_accepted: bool = Field(False, description="You signed the owner's licence; needed for a licensed `root`.")
    part: bool = Field(
        False, description="The copy is a part of its release, on purpose: its counts may be lower than the known ones."
    )
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
    inputs: dict[str, str] = Field(
        description="The model's named inputs, each a product `stage/variant`; what the preset does not read may be "
        "left out."
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1, description="One whole run per seed.")
    train: Recipe = Field(default_factory=Recipe, description="Overrides of the preset's training recipe.")
    folds_per_job: Literal["auto"] | Annotated[int, Field(ge=1, le=1000)] = Field(
        "auto",
        description="Folds that one job trains, side by side on its cores or on its GPU. `auto`: without a GPU one, so "
        "that jobs run side by side, and of a hundred folds and more so many that there are ten jobs; with one as many "
        "as its memory trains together, or eight after each other.",
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
    every_clip: bool = Field(
        True,
        description="Whether the page holds small pictures of every clip, to look at errors. `false` where a licence "
        "lets only some people be shown and the page is to be passed on.",
    )


class Top(Params):
    """The whole file; the blocks of the stages are checked by their methods."""

    results: HomePath = Field(
        Path("results"), description="Folder for everything that is made; `~` is your home folder."
    )
    seed: int = Field(0, description="Seed of fold assignment and label permutation.")
    gpu: Gpu = Field(
        "auto",
        description="Whether jobs that a GPU pays for ask for one (`gpu=1`): `auto` where the machine that plans the "
        "run has one, `always` (a cluster, whose nodes have some) or `never`. How many jobs may have one at once says "
        "`--resources gpu=N`.",
    )
    subjects_per_job: Literal["auto"] | Annotated[int, Field(ge=1, le=1000)] = Field(
        "auto",
        description="Persons of a database whose containers one job of a stage makes, one after the other. `auto`: so "
        "many that a product of a database takes some 25 jobs, hence one below 50 persons, and fewer where a stage is "
        "slow. Of several, those whose container is as it would be made again are kept.",
    )
    plugins: list[str] = Field(
        default_factory=list,
        description="Models, methods, readers and layouts of your own (docs/plugins.md): files, looked for beside the "
        "configuration's file and then in the working directory, and dotted names of installed modules.",
    )
    datasets: dict[str, DatasetBlock] = Field(min_length=1, description="Databases by name.")
    frames: dict[str, Any] = Field(default_factory=dict, description="How frames are listed.")
    align: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    interpolate: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    magnify: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    flow: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    rois: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    spot: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Variants of the stage by name.")
    views: dict[str, ViewBlock] = Field(
        default_factory=dict,
        description="Class schemes of your own by name, beside those that come with mer (examples: docs/scores.md).",
    )
    experiments: dict[str, ExperimentBlock] = Field(default_factory=dict, description="Experiments by name.")
    spotting: dict[str, SpottingBlock] = Field(
        default_factory=dict, description="Experiments that spot expressions in whole recordings, by name."
    )
    bootstrap: int = Field(
        2000, ge=100, le=100_000, description="Draws of the subject bootstrap and of the chance levels."
    )
    report: ReportBlock = Field(default_factory=ReportBlock, description="What the report shows.")
