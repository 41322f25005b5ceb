"""One fold of a spotting experiment: trained on every subject but the held-out one."""

import json

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.spotting.fit import Spec, fit_fold
from mer.planning.spotting import SpotPlan
from mer.training.device import choose

with job_log(snakemake.log[0]) as say:
    plan = SpotPlan(Catalog(parse(snakemake.config)), snakemake.wildcards.spotting)
    fold = plan.fold(snakemake.wildcards.fold)
    block = json.loads(snakemake.params.block)
    features, aligned = plan.containers(fold.train)
    fit_fold(
        Spec(plan.block.model, plan.block.protocol, plan.block.train, tuple(block["classes"]), block["halves"]),
        snakemake.input.train,
        features,
        aligned,
        snakemake.output[0],
        fold=fold.name,
        held_out=fold.held_out,
        seed=int(snakemake.wildcards.seed),
        device=choose(snakemake.resources.get("gpu", 0), say),
        log=say,
    )
