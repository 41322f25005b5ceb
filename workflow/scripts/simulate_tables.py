"""The coding tables of a simulated database."""

from mer.planning.catalog import Catalog, layout_of
from mer.planning.held_against import simulated_tables
from mer.planning.read_config import parse
from mer.core.atomic import write_text
from mer.core.job_log import job_log

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    dataset = snakemake.wildcards.dataset
    block = catalog.config.datasets[dataset]
    layout_of(block).write_tables(block.simulate, catalog.root(dataset))
    write_text(snakemake.output[0], simulated_tables(catalog, dataset))
    say(f"tables below {catalog.root(dataset)}")
