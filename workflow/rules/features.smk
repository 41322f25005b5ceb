# Features that cost more than reading them back (those of a frozen trunk): once per clip, for all folds and seeds.


def of_features(question):
    return lambda wildcards: question(
        PLANS["experiments"][wildcards.experiment],
        f"{wildcards.dataset}/{wildcards.subject}",
    )


rule features:
    input:
        of_features(
            lambda plan, source: [
                path
                for boxes in plan.features_inputs(source).values()
                for path in boxes.values()
            ]
        ),
    output:
        f"{RESULTS}/experiments/{{experiment}}/features/{{dataset}}/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/features/{{experiment}}/{{dataset}}/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/features/{{experiment}}/{{dataset}}/{{subject}}.tsv"
    priority: 5
    conda:
        "../../envs/torch.yaml"
    resources:
        gpu=lambda wildcards: PLANS["experiments"][wildcards.experiment].gpus(
            TASKS["fit"]
        ),
        mem_mb=lambda wildcards, attempt: attempt * 3000,
        runtime=lambda wildcards, attempt: attempt * minutes.SHARED,
    params:
        block=of_features(lambda plan, source: plan.features_block(source)),
        code=lambda wildcards: PLANS["experiments"][
            wildcards.experiment
        ].features_code(),
    script:
        "../scripts/features.py"
