"""A checked configuration, and what follows from it alone; `mer.planning.read_config.parse` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mer.core.params import Params
from mer.datasets.views import View
from mer.planning.blocks import DatasetBlock, ExperimentBlock, ReportBlock
from mer.spotting.experiment import SpottingBlock
from mer.stages.contract import DeviceParams
from mer.stages.run import stage_digest
from mer.training.recipe import Settled
from mer.weights.locate import used


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

    @cached_property
    def code(self) -> str:
        """The code digest of its stage and method, joined with that of the weights it uses.

        Kept, because every job of the variant asks for it.
        """
        return stage_digest(self.stage, self.method, used(self.params))

    def gpus(self, on_gpu: bool) -> int:
        """Return how many GPUs a job asks for, in a run whose jobs ask for one where it pays (`on_gpu`) or not."""
        return self.params.gpus(on_gpu) if isinstance(self.params, DeviceParams) else 0


@dataclass(frozen=True)
class Config:
    """A checked configuration.

    Attributes:
        results: folder for everything that is made.
        seed: of fold assignment and label permutation.
        datasets, experiments, spotting, report: the blocks of the file.
        views: every class scheme that an experiment may name.
        variants: the variants of all stages by their product, in the order of the journey.
        bootstrap: draws of the subject bootstrap and of the chance levels.
        settled: what each recognition experiment trains with: its preset with its recipe in place.
        gpu: whether jobs that a GPU pays for ask for one.
        subjects_per_job: persons of a job of a stage; 0 lets their number decide.
        where: name of the file, for messages.
    """

    results: Path
    seed: int
    datasets: Mapping[str, DatasetBlock]
    variants: Mapping[str, Variant]
    views: Mapping[str, View]
    experiments: Mapping[str, ExperimentBlock]
    spotting: Mapping[str, SpottingBlock]
    bootstrap: int
    report: ReportBlock
    settled: Mapping[str, Settled]
    gpu: bool
    subjects_per_job: int
    where: str

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
