"""The tables of some folds of an experiment: training rows without the held-out subjects, and the held-out rows."""

from pathlib import Path

from mer.core.job_log import job_log
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse
from mer.planning.experiments import TASKS, planned

with job_log(snakemake.log[0]) as say:
    task, catalog = TASKS[snakemake.params.task], Catalog(parse(snakemake.config), snakemake.params.indexed)
    plan, write = planned(catalog, task.folder, snakemake.params.experiment), task.table.load()
    tables = dict(plan.tables())
    for path in map(Path, snakemake.output):
        assert path in tables, "the index differs from the plan"
        write(path, tables[path])
    for note in plan.split_notes():
        say(note)
