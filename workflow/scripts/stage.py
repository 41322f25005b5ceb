"""One stage of one subject, or of several that share a job."""

import json
from pathlib import Path

from mer.planning import keys
from mer.planning.held_against import stands
from mer.planning.read_config import parse
from mer.planning.catalog import Catalog
from mer.core.job_log import job_log
from mer.stages.run import StageSpec, run_subject

with job_log(snakemake.log[0]) as say:
    catalog, asked = Catalog(parse(snakemake.config)), snakemake.params
    spec = StageSpec(**json.loads(asked.spec))
    gpus, device = snakemake.resources.get("gpu", 0), "cpu"
    if gpus:
        # What knows the devices is not needed for any other job.
        from mer.training.experiment import choose_device

        device = choose_device(gpus, say)
    variant = catalog.config.variants["/".join(filter(None, (spec.stage, spec.variant)))]
    sources = [None] * len(asked.rows) if variant.source == "index" else map(Path, snakemake.input)
    for rows, out, source in zip(asked.rows, map(Path, snakemake.output), sources, strict=True):
        if stands(catalog, out, source, asked.dataset, variant):
            say(f"{out}: kept: it would be made again as it is")
            out.touch()
            continue
        run_subject(
            spec,
            json.loads(rows),
            out,
            source,
            catalog.root(asked.dataset),
            say,
            device,
            keys.chain(catalog.config, variant.source) if source else None,
        )
