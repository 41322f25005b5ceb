# index -> frames -> align -> interpolate -> magnify -> flow -> rois: one job is one stage of one subject, or of several in
# turn where a database has many (`subjects_per_job`).
# Parameters hold exactly what a job depends on besides its inputs: its own block of the configuration, its
# subject's label-free rows and the digest of its own code.

from mer.models import memory
from mer.planning import minutes
from mer.planning.groups import group_of


def variant_of(stage, wildcards):
    return CONFIG.variants[
        stage if stage == "frames" else f"{stage}/{wildcards.variant}"
    ]


def stage_source(stage):
    def source(wildcards):
        hold_against_plan()
        variant = variant_of(stage, wildcards)
        path = CATALOG.source(wildcards.dataset, variant, wildcards.subject)
        if path is not None:
            return [path]
        simulated = wildcards.dataset in SIMULATED
        return (
            [f"{RESULTS}/{wildcards.dataset}/simulate/truth/{wildcards.subject}.h5"]
            if simulated
            else []
        )

    return source


def written(wildcards):
    hold_against_plan()
    if wildcards.dataset not in SIMULATED:
        return []
    folder = f"{RESULTS}/{wildcards.dataset}/simulate"
    truths = [f"truth/{subject}.h5" for subject in CATALOG.subjects(wildcards.dataset)]
    return [f"{folder}/{name}" for name in ("tables.done", *truths)]


@cache
def stage_code(product):
    return keys.script("stage", CONFIG.variants[product].code)


def stage_rows(stage, job):
    return keys.stage_rows(CATALOG, job.dataset, job.subject, variant_of(stage, job))


def stage_params(stage):
    return {
        "dataset": lambda wildcards: wildcards.dataset,
        "spec": lambda wildcards: keys.stage_spec(variant_of(stage, wildcards)),
        "rows": lambda wildcards: [stage_rows(stage, wildcards)],
        "code": lambda wildcards: stage_code(variant_of(stage, wildcards).key),
    }


def stage_runtime(variant, rows, attempt):
    recordings = CONFIG.unit(variant.key) == "recordings"
    asked = minutes.stage_minutes(variant.stage, rows, recordings)
    return min(minutes.LONGEST, attempt * asked)


# A GPU is asked for by variants that compute on one; memory and time grow with every attempt of a job that was ended for
# them.
def stage_resources(stage, mib):
    def gpus(wildcards):
        return variant_of(stage, wildcards).gpus(CONFIG.gpu)

    def runtime(wildcards, attempt):
        variant = variant_of(stage, wildcards)
        rows = CATALOG.samples(wildcards.dataset, wildcards.subject, variant)
        return stage_runtime(variant, rows, attempt)

    return {
        "gpu": gpus,
        "mem_mb": lambda wildcards, attempt: (
            attempt * (mib + memory.CUDA * gpus(wildcards))
        ),
        "runtime": runtime,
    }


def stage_group(stage):
    return lambda wildcards: shared(group_of(CONFIG, variant_of(stage, wildcards).key))


# Tables are made where Snakemake runs: seconds of work are not worth a submission.
rule index:
    input:
        written,
    output:
        index=f"{RESULTS}/{{dataset}}/index.csv",
        problems=f"{RESULTS}/{{dataset}}/problems.csv",
    log:
        f"{RESULTS}/logs/index/{{dataset}}.log",
    localrule: True
    conda:
        "../../envs/preprocess.yaml"
    params:
        block=lambda wildcards: keys.index_block(CATALOG, wildcards.dataset),
        code=lambda wildcards: keys.script(
            "index", keys.index_code(CATALOG, wildcards.dataset)
        ),
    script:
        "../scripts/index.py"


rule frames:
    input:
        stage_source("frames"),
    output:
        f"{RESULTS}/{{dataset}}/frames/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/frames/{{dataset}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/frames/{{dataset}}/{{subject}}.tsv"
    group:
        stage_group("frames")
    conda:
        "../../envs/preprocess.yaml"
    resources:
        **stage_resources("frames", 1000),
    params:
        **stage_params("frames"),
    script:
        "../scripts/stage.py"


use rule frames as align with:
    input:
        stage_source("align"),
    output:
        f"{RESULTS}/{{dataset}}/align/{{variant}}/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/align/{{dataset}}/{{variant}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/align/{{dataset}}/{{variant}}/{{subject}}.tsv"
    priority: 1
    group:
        stage_group("align")
    resources:
        **stage_resources("align", 1500),
    params:
        **stage_params("align"),


use rule align as interpolate with:
    input:
        stage_source("interpolate"),
    output:
        f"{RESULTS}/{{dataset}}/interpolate/{{variant}}/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/interpolate/{{dataset}}/{{variant}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/interpolate/{{dataset}}/{{variant}}/{{subject}}.tsv"
    priority: 2
    group:
        stage_group("interpolate")
    resources:
        **stage_resources("interpolate", 1500),
    params:
        **stage_params("interpolate"),


use rule interpolate as magnify with:
    input:
        stage_source("magnify"),
    output:
        f"{RESULTS}/{{dataset}}/magnify/{{variant}}/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/magnify/{{dataset}}/{{variant}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/magnify/{{dataset}}/{{variant}}/{{subject}}.tsv"
    priority: 3
    group:
        stage_group("magnify")
    resources:
        **stage_resources("magnify", 1500),
    params:
        **stage_params("magnify"),


use rule interpolate as flow with:
    input:
        stage_source("flow"),
    output:
        f"{RESULTS}/{{dataset}}/flow/{{variant}}/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/flow/{{dataset}}/{{variant}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/flow/{{dataset}}/{{variant}}/{{subject}}.tsv"
    priority: 4
    group:
        stage_group("flow")
    resources:
        **stage_resources("flow", 1500),
    params:
        **stage_params("flow"),


use rule interpolate as rois with:
    input:
        stage_source("rois"),
    output:
        f"{RESULTS}/{{dataset}}/rois/{{variant}}/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/rois/{{dataset}}/{{variant}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/rois/{{dataset}}/{{variant}}/{{subject}}.tsv"
    priority: 5
    group:
        stage_group("rois")
    resources:
        **stage_resources("rois", 1500),
    params:
        **stage_params("rois"),


use rule interpolate as spot with:
    input:
        stage_source("spot"),
    output:
        f"{RESULTS}/{{dataset}}/spot/{{variant}}/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/spot/{{dataset}}/{{variant}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/spot/{{dataset}}/{{variant}}/{{subject}}.tsv"
    priority: 5
    group:
        stage_group("spot")
    resources:
        **stage_resources("spot", 1500),
    params:
        **stage_params("spot"),
