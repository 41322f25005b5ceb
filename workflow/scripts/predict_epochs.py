"""What the kept epochs of one fold say of its held-out clips: for the oracle-epoch diagnostic only."""

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.training.predict import predict_epochs
from mer.training.tables import sources

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    experiment = snakemake.wildcards.experiment
    block = catalog.config.experiments[experiment]
    held_out = sources(snakemake.input.test)
    predict_epochs(
        snakemake.input.model,
        snakemake.input.test,
        catalog.input_containers(experiment, held_out),
        snakemake.output[0],
        model=block.model,
        preset=block.preset,
        fold=snakemake.wildcards.fold,
        seed=int(snakemake.wildcards.seed),
        recipe=block.train,
    )
    say(f"predicted {', '.join(held_out)} with every kept epoch")
