"""The clips of one simulated subject, and their truth."""

from mer.planning.catalog import Catalog, layout_of
from mer.planning.read_config import parse
from mer.core.job_log import job_log

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    dataset = snakemake.wildcards.dataset
    block = catalog.config.datasets[dataset]
    name = catalog.subject_name(dataset, snakemake.wildcards.subject)
    layout_of(block).write_subject(block.simulate, name, catalog.root(dataset), snakemake.output.truth)
    say(f"rendered {name}")
