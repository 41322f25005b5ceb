"""Every excluded clip of a database with its reason."""

from pathlib import Path

from mer.planning.catalog import Catalog
from mer.planning.read_config import parse
from mer.core.sample import read_index
from mer.stages.exclusions import exclusions, write_exclusions
from mer.core.job_log import job_log

with job_log(snakemake.log[0]) as say:
    whole = Catalog(parse(snakemake.config)).wanted_recordings(snakemake.wildcards.dataset)
    rows = exclusions(read_index(snakemake.input.index), map(Path, snakemake.input.products), whole)
    write_exclusions(Path(snakemake.output[0]), rows)
    say(f"{len(rows)} clips excluded")
