"""The spotted intervals of one fold, named by a recognition experiment's model of the same fold."""

from mer.core.job_log import job_log
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse
from mer.planning.spotting import PlannedSpotting
from mer.spotting.naming_experiment import name_intervals

with job_log(snakemake.log[0]) as say:
    plan = PlannedSpotting(Catalog(parse(snakemake.config)), snakemake.wildcards.experiment)
    name_intervals(snakemake.input.intervals, snakemake.input.model, plan.recordings(), snakemake.output[0], say)
