"""All folds and seeds of an experiment, scored once."""

import json

from mer.core.job_log import job_log
from mer.planning.experiments import TASKS

with job_log(snakemake.log[0]) as say:
    score = TASKS[snakemake.params.task].score.load()
    for line in score(dict(snakemake.input.items()), list(snakemake.output), **json.loads(snakemake.params.block)):
        say(line)
