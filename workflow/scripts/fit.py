"""Folds of an experiment: each trained on every subject but its held-out ones."""

from pathlib import Path


def main(snakemake):
    from mer.core.job_log import job_log
    from mer.planning import keys
    from mer.planning.catalog import Catalog
    from mer.planning.read_config import parse
    from mer.planning.experiments import TASKS, planned
    from mer.training.experiment import choose_device
    from mer.training.fold_tables import sources
    from mer.training.separation import FoldJob
    from mer.training.task import function

    with job_log(snakemake.log[0]) as say:
        task, told = TASKS[snakemake.params.task], keys.told(snakemake.params.block, snakemake.params.code)
        plan = planned(Catalog(parse(snakemake.config)), task.folder, snakemake.params.experiment)
        device = choose_device(snakemake.resources.get("gpu", 0), say)
        jobs = []
        for fold, held_out, table, out in zip(
            snakemake.params.folds, snakemake.params.held_out, snakemake.input.train, snakemake.output, strict=True
        ):
            state = Path(snakemake.log[0]).with_name(f"{fold}.resume.safetensors")
            jobs.append(FoldJob(fold, tuple(held_out), Path(table), Path(out), state))
        task.fit.load()(
            function(task.experiment)(told, int(snakemake.params.seed), device),
            jobs,
            plan.containers({source for one in jobs for source in sources(one.train_table)}),
            workers=snakemake.threads,
            log=lambda fold: say if len(jobs) == 1 else lambda line: say(f"{fold}: {line}"),
        )


# The processes that train folds side by side import this file.
if __name__ == "__main__":
    main(snakemake)
