"""The recordings of every fold of a spotting experiment, with their annotated expressions."""

from pathlib import Path

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.planning.spotting import SpotPlan
from mer.spotting.truth import write_videos

with job_log(snakemake.log[0]) as say:
    plan = SpotPlan(Catalog(parse(snakemake.config)), snakemake.params.spotting)
    write_videos(plan.folder() / "recordings.csv", plan.videos)
    for fold in plan.folds():
        folder = Path(plan.folder()) / "folds" / fold.name
        write_videos(folder / "train.csv", fold.train)
        write_videos(folder / "test.csv", fold.test)
    say(f"{len(plan.videos)} recordings, {len(plan.folds())} folds")
