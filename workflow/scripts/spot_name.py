"""The spotted intervals of one fold, named by a recognition experiment's model of the same fold."""

from mer.catalog import Catalog
from mer.config import parse
from mer.jobs import job
from mer.spotting.plan import SpotPlan
from mer.spotting.second import name_intervals

with job(snakemake.log[0]) as say:
    plan = SpotPlan(Catalog(parse(snakemake.config)), snakemake.wildcards.spotting)
    name_intervals(snakemake.input.intervals, snakemake.input.model, plan.media(), snakemake.output[0], say)
