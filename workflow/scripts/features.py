"""Features of one subject's clips, computed once for all folds and seeds of an experiment."""

import json
from pathlib import Path

from mer.core.job_log import job_log
from mer.models.registry import model
from mer.planning import keys
from mer.planning.catalog import Catalog
from mer.planning.experiments import planned
from mer.planning.read_config import parse
from mer.training.experiment import choose_device
from mer.training.kept_features import write_features
from mer.training.task import RECOGNITION

with job_log(snakemake.log[0]) as say:
    catalog, asked = Catalog(parse(snakemake.config)), snakemake.wildcards
    plan, told = planned(catalog, RECOGNITION.folder, asked.experiment), json.loads(snakemake.params.block)
    source = f"{asked.dataset}/{asked.subject}"
    write_features(
        plan.block.model,
        model(plan.block.model, asked.experiment),
        catalog.config.settled[asked.experiment].settings,
        told["clips"],
        source,
        plan.features_inputs(source),
        Path(snakemake.output[0]),
        choose_device(snakemake.resources.get("gpu", 0), say),
        say,
        told["chains"],
        keys.digest(snakemake.params.block, snakemake.params.code),
    )
