# Spotted intervals that a recognition experiment names; all else about spotting is in train.smk and evaluate.smk.


rule spot_name:
    input:
        intervals=f"{RESULTS}/spotting/{{experiment}}/seed{{seed}}/{{fold}}/intervals.jsonl",
        model=lambda wildcards: PLANS["spotting"][wildcards.experiment].naming_model(
            wildcards.fold
        ),
    output:
        f"{RESULTS}/spotting/{{experiment}}/seed{{seed}}/{{fold}}/named.jsonl",
    log:
        f"{RESULTS}/logs/spot_name/{{experiment}}/seed{{seed}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/spot_name/{{experiment}}/seed{{seed}}/{{fold}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 3000,
    params:
        code=keys.script("spot_name", code_digest("mer.spotting.naming_experiment")),
    script:
        "../scripts/spot_name.py"
