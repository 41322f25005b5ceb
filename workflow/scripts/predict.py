"""One fold's held-out subjects, read once."""

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.training.predict import predict_fold
from mer.training.tables import sources

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    experiment = snakemake.wildcards.experiment
    block = catalog.config.experiments[experiment]
    held_out = sources(snakemake.input.test)
    predict_fold(
        snakemake.input.model,
        snakemake.input.test,
        catalog.input_containers(experiment, held_out),
        snakemake.output.predictions,
        snakemake.output.excluded,
        model=block.model,
        preset=block.preset,
        fold=snakemake.wildcards.fold,
        seed=int(snakemake.wildcards.seed),
        recipe=block.train,
    )
    say(f"predicted {', '.join(held_out)}")
