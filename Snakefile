# From raw clips to an honest score. The journey and its vocabulary: docs/architecture.md.
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.10")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/producers.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/preprocess.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/together.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/spotting.smk"
include: "workflow/rules/evaluate.smk"


# Nothing is sent where nobody takes it. One run at a time; and so that a notebook can open the folder of results by
# itself, its configuration; and so that readers of models know which ones count, its plan.
onstart:
    try:
        check_cluster(workflow.executor_plugin.name)
        only_run.hold(RESULTS)
        only_run.watch(workflow.scheduler.exit_gracefully)
        recorded.record(config, RESULTS)
        record_plan(CONFIG.results, model_names(PLANS))
    except MerError as error:
        sys.exit(f"mer: {error}")


rule all:
    default_target: True
    input:
        f"{RESULTS}/report/index.html",
        # What the report needs, too: of a file that is gone and only led to one that stands, nobody asks otherwise.
        [f"{RESULTS}/experiments/{name}/metrics.json" for name in CONFIG.experiments],
        [f"{RESULTS}/spotting/{name}/metrics.json" for name in CONFIG.spotting],
        [f"{RESULTS}/{name}/excluded.csv" for name in CONFIG.datasets],
        [path for name in CONFIG.datasets for path in CATALOG.products(name)],
