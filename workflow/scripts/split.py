"""The fold tables of an experiment: training rows without the held-out subject, and the held-out rows."""

from pathlib import Path

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.training.tables import write_table

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config), indexed=True)
    for fold, train, test in zip(
        catalog.folds(snakemake.params.experiment), snakemake.output.train, snakemake.output.test, strict=True
    ):
        assert Path(train).parent.name == fold.name, "the index differs from the plan"
        write_table(Path(train), fold.train)
        write_table(Path(test), fold.test)
        for note in fold.notes:
            say(note)
    for reason, count in catalog.selection(snakemake.params.experiment).left_out.items():
        say(f"{count} clips left out, {reason}")
