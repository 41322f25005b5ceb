"""One stage of one subject."""

import json
from pathlib import Path

from mer.planning import keys
from mer.planning.read_config import parse
from mer.planning.catalog import Catalog
from mer.core.job_log import job_log
from mer.stages.run import StageSpec, run_subject

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    spec = StageSpec(**json.loads(snakemake.params.spec))
    gpus, device = snakemake.resources.get("gpu", 0), "cpu"
    if gpus:
        # What knows the devices is not needed for any other job.
        from mer.training.experiment import choose_device

        device = choose_device(gpus, say)
    source = catalog.config.variants["/".join(filter(None, (spec.stage, spec.variant)))].source
    run_subject(
        spec,
        json.loads(snakemake.params.rows),
        Path(snakemake.output[0]),
        Path(snakemake.input[0]) if source != "index" else None,
        catalog.root(snakemake.wildcards.dataset),
        say,
        device,
        keys.chain(catalog.config, source) if source != "index" else None,
    )
