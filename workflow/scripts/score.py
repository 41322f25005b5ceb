"""All folds and seeds of an experiment, scored once."""

import json

from mer.core.job_log import job_log
from mer.training.score import score_experiment

with job_log(snakemake.log[0]) as say:
    block = json.loads(snakemake.params.block)
    result = score_experiment(
        snakemake.input.predictions,
        snakemake.input.excluded,
        snakemake.input.tests,
        block["classes"],
        snakemake.output[0],
        name=snakemake.wildcards.experiment,
        labels=block["labels"],
        simulated=block["simulated"],
        draws=block["bootstrap"],
        seed=block["seed"],
        models=snakemake.input.models,
        epochs=snakemake.input.get("epochs", []),
    )
    say(f"pooled UF1 {result['summary']['pooled']['uf1']['mean']:.4f}")
    for flag in result["flags"]:
        say(flag)
