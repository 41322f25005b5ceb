"""Folds of an experiment: each trained on every subject but its held-out ones."""

import json
from pathlib import Path

from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.core.job_log import job_log
from mer.training.batched import fit_folds
from mer.training.boards import folder_beside
from mer.training.device import choose
from mer.training.fit import FoldJob, plan
from mer.training.tables import sources

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    experiment = snakemake.params.experiment
    block = catalog.config.experiments[experiment]
    told, seed = json.loads(snakemake.params.block), int(snakemake.wildcards.seed)
    device = choose(snakemake.resources.get("gpu", 0), say)
    tables = [snakemake.input.train] if isinstance(snakemake.input.train, str) else snakemake.input.train
    jobs = []
    for fold, held_out, table, out in zip(
        snakemake.params.folds, snakemake.params.held_out, tables, snakemake.output, strict=True
    ):
        beside = Path(snakemake.log[0]).parent / fold
        state = beside.with_name(f"{fold}.resume.safetensors")
        jobs.append(FoldJob(fold, tuple(held_out), Path(table), Path(out), state, folder_beside(f"{beside}.log")))
    read = sorted({source for one in jobs for source in sources(one.train_table)})
    fit_folds(
        plan(
            block.model, block.preset, block.train, told["classes"], seed, device, experiment, told["origin"]
        ),
        jobs,
        catalog.input_containers(experiment, read),
        workers=snakemake.threads,
        log=lambda fold: say if len(jobs) == 1 else lambda line: say(f"{fold}: {line}"),
    )
