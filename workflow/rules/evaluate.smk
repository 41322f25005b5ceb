# score -> exclusions -> report.


def fold_files(name):
    def files(wildcards):
        block = CONFIG.experiments[wildcards.experiment]
        base = f"{RESULTS}/experiments/{wildcards.experiment}"
        return [
            f"{base}/seed{seed}/{fold.name}/{name}" for seed in block.seeds for fold in CATALOG.folds(wildcards.experiment)
        ]

    return files


rule score:
    input:
        predictions=fold_files("predictions.csv"),
        excluded=fold_files("excluded.csv"),
        tests=lambda wildcards: [
            f"{RESULTS}/experiments/{wildcards.experiment}/folds/{fold.name}/test.csv"
            for fold in CATALOG.folds(wildcards.experiment)
        ],
    output:
        RESULTS + "/experiments/{experiment}/metrics.json",
        RESULTS + "/experiments/{experiment}/per_subject.csv",
        RESULTS + "/experiments/{experiment}/confusion.csv",
        RESULTS + "/experiments/{experiment}/table.tex",
    params:
        block=lambda wildcards: keys.score_block(CATALOG, wildcards.experiment),
        code=code_digest("mer.training.score"),
    log:
        RESULTS + "/logs/score/{experiment}.log",
    benchmark:
        RESULTS + "/benchmarks/score/{experiment}.tsv"
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/score.py"


rule exclusions:
    input:
        index=RESULTS + "/{dataset}/index.csv",
        products=lambda wildcards: CATALOG.products(wildcards.dataset),
    output:
        RESULTS + "/{dataset}/excluded.csv",
    params:
        code=code_digest("mer.exclusions"),
    log:
        RESULTS + "/logs/exclusions/{dataset}.log",
    conda:
        "../../envs/preprocess.yaml"
    script:
        "../scripts/exclusions.py"


rule report:
    input:
        metrics=[f"{RESULTS}/experiments/{name}/metrics.json" for name in CONFIG.experiments],
        excluded=[f"{RESULTS}/{name}/excluded.csv" for name in CONFIG.datasets],
    output:
        page=RESULTS + "/report/index.html",
    params:
        config=keys.as_text(config),
        code=code_digest("mer.report.times"),
    log:
        RESULTS + "/logs/report.log",
    conda:
        "../../envs/preprocess.yaml"
    script:
        "../scripts/report.py"
