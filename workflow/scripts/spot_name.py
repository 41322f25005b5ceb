"""The spotted intervals of one fold, named by a recognition experiment's model of the same fold."""

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.planning.spotting import SpotPlan
from mer.spotting.second import name_intervals

with job_log(snakemake.log[0]) as say:
    plan = SpotPlan(Catalog(parse(snakemake.config)), snakemake.wildcards.spotting)
    name_intervals(snakemake.input.intervals, snakemake.input.model, plan.media(), snakemake.output[0], say)
