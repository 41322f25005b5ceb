"""One fold's held-out subjects, read once."""

import json

from mer.core.job_log import job_log
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse
from mer.planning.experiments import TASKS, planned
from mer.training.fold_tables import sources
from mer.training.task import function

with job_log(snakemake.log[0]) as say:
    task, asked = TASKS[snakemake.params.task], snakemake.wildcards
    plan = planned(Catalog(parse(snakemake.config)), task.folder, asked.experiment)
    task.predict.load()(
        function(task.experiment)(json.loads(snakemake.params.block), int(asked.seed), "cpu"),
        asked.fold,
        snakemake.input.model,
        snakemake.input.test,
        plan.containers(sources(snakemake.input.test)),
        list(snakemake.output),
        log=say,
    )
