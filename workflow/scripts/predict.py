"""The held-out subjects of some folds of an experiment, each read once, by the model that has not seen them."""

import json

from mer.core.job_log import job_log
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse
from mer.planning.experiments import TASKS, planned
from mer.training.fold_tables import sources
from mer.training.task import function

with job_log(snakemake.log[0]) as say:
    task, asked = TASKS[snakemake.params.task], snakemake.params
    plan = planned(Catalog(parse(snakemake.config)), task.folder, asked.experiment)
    experiment = function(task.experiment)(json.loads(asked.block), int(asked.seed), "cpu")
    files = len(task.predict.files)
    for number, (fold, model, table) in enumerate(
        zip(asked.folds, snakemake.input.model, snakemake.input.test, strict=True)
    ):
        task.predict.load()(
            experiment,
            fold,
            model,
            table,
            plan.containers(sources(table)),
            list(snakemake.output[number * files : (number + 1) * files]),
            log=say,
        )
