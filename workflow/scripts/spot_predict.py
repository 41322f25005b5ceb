"""The held-out recordings of one fold, spotted in once."""

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.planning.spotting import SpotPlan
from mer.spotting.predict import predict_fold

with job_log(snakemake.log[0]) as say:
    plan = SpotPlan(Catalog(parse(snakemake.config)), snakemake.wildcards.spotting)
    features, aligned = plan.containers(plan.fold(snakemake.wildcards.fold).test)
    predict_fold(
        snakemake.input.model,
        snakemake.input.test,
        features,
        aligned,
        snakemake.output.intervals,
        snakemake.output.curves,
        snakemake.output.excluded,
        log=say,
    )
