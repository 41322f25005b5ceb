"""The tables of every fold of an experiment: training rows without the held-out subjects, and the held-out rows."""

from pathlib import Path

from mer.core.job_log import job_log
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse
from mer.planning.experiments import TASKS, planned

with job_log(snakemake.log[0]) as say:
    task, catalog = TASKS[snakemake.params.task], Catalog(parse(snakemake.config), snakemake.params.indexed)
    plan, write = planned(catalog, task.folder, snakemake.params.experiment), task.table.load()
    for out, (path, rows) in zip(snakemake.output, plan.tables(), strict=True):
        assert Path(out) == path, "the index differs from the plan"
        write(path, rows)
    for note in plan.split_notes():
        say(note)
