"""One fold: trained on every subject but the held-out ones."""

import json

from mer.catalog import Catalog
from mer.config import parse
from mer.jobs import job
from mer.training.device import choose
from mer.training.fit import fit_fold
from mer.training.tables import sources

with job(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    experiment = snakemake.wildcards.experiment
    block = catalog.config.experiments[experiment]
    fit_fold(
        block.model,
        block.preset,
        block.train,
        snakemake.input.train,
        catalog.input_containers(experiment, sources(snakemake.input.train)),
        snakemake.output[0],
        classes=json.loads(snakemake.params.block)["classes"],
        fold=snakemake.wildcards.fold,
        held_out=snakemake.params.held_out,
        seed=int(snakemake.wildcards.seed),
        device=choose(snakemake.resources.get("gpu", 0), say),
        log=say,
    )
