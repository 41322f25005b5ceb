"""The scores of a spotting experiment, and its truth and predictions in the STRS columns."""

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.spotting.collect import write_scores
from mer.planning.spotting import SpotPlan

with job_log(snakemake.log[0]) as say:
    plan = SpotPlan(Catalog(parse(snakemake.config)), snakemake.wildcards.spotting)
    folds = [fold.name for fold in plan.folds()]
    block = plan.block
    say(write_scores(plan.folder(), block.seeds, folds, plan.kinds, plan.classes, block.protocol, plan.found_file))
