# Databases that the workflow films itself: their tables, and the clips of one person in a job.

from mer.planning import minutes


@cache
def simulation_code(dataset):
    return keys.simulation_code(CATALOG, dataset)


rule simulate_table:
    output:
        f"{RESULTS}/{{dataset}}/simulate/tables.done",
    log:
        f"{RESULTS}/logs/simulate/{{dataset}}/tables.log",
    localrule: True
    conda:
        "../../envs/preprocess.yaml"
    params:
        simulate=lambda wildcards: keys.simulation(CATALOG, wildcards.dataset),
        code=lambda wildcards: simulation_code(wildcards.dataset),
    script:
        "../scripts/simulate_tables.py"


rule simulate:
    output:
        truth=f"{RESULTS}/{{dataset}}/simulate/truth/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/simulate/{{dataset}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/simulate/{{dataset}}/{{subject}}.tsv"
    group:
        lambda wildcards: shared("frames")
    conda:
        "../../envs/preprocess.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 1500,
        runtime=lambda wildcards, attempt: attempt
        * minutes.stage_minutes(
            "simulate", CATALOG.subjects(wildcards.dataset)[wildcards.subject]
        ),
    params:
        simulate=lambda wildcards: keys.simulation(
            CATALOG, wildcards.dataset, wildcards.subject
        ),
        code=lambda wildcards: simulation_code(wildcards.dataset),
    script:
        "../scripts/simulate_subject.py"
