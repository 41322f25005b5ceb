"""The rows of a database, and what was wrong while reading them."""

from pathlib import Path

from mer.core.job_log import job_log
from mer.datasets.reading import write_reading
from mer.planning.catalog import Catalog, read_dataset
from mer.planning.read_config import parse

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    dataset = snakemake.wildcards.dataset
    block = catalog.config.datasets[dataset]
    reading = read_dataset(block, catalog.root(dataset))
    planned = catalog.reading(dataset).samples if block.simulate else None
    say(write_reading(reading, Path(snakemake.output.index), Path(snakemake.output.problems), planned))
