"""One fold trained once more, with the weights of some epochs kept for the oracle-epoch diagnostic."""

import json

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.training.device import choose
from mer.training.epochs import fit_epochs
from mer.training.tables import sources

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    experiment = snakemake.wildcards.experiment
    block = catalog.config.experiments[experiment]
    plan = json.loads(snakemake.params.block)
    fit_epochs(
        block.model,
        block.preset,
        block.train,
        snakemake.input.train,
        catalog.input_containers(experiment, sources(snakemake.input.train)),
        out=snakemake.output[0],
        every=plan["every"],
        classes=json.loads(plan["fit"])["classes"],
        fold=snakemake.wildcards.fold,
        held_out=snakemake.params.held_out,
        seed=int(snakemake.wildcards.seed),
        device=choose(snakemake.resources.get("gpu", 0), say),
        log=say,
        origin=json.loads(plan["fit"])["origin"],
    )
