# score -> exclusions -> report.


def fold_files(name):
    return lambda wildcards: prediction_files(CATALOG, wildcards.experiment, name)


rule score:
    input:
        predictions=fold_files("predictions.csv"),
        excluded=fold_files("excluded.csv"),
        tests=lambda wildcards: [
            f"{RESULTS}/experiments/{wildcards.experiment}/folds/{fold.name}/test.csv"
            for fold in CATALOG.folds(wildcards.experiment)
        ],
    output:
        f"{RESULTS}/experiments/{{experiment}}/metrics.json",
        f"{RESULTS}/experiments/{{experiment}}/per_subject.csv",
        f"{RESULTS}/experiments/{{experiment}}/confusion.csv",
        f"{RESULTS}/experiments/{{experiment}}/table.tex",
    log:
        f"{RESULTS}/logs/score/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score/{{experiment}}.tsv"
    conda:
        "../../envs/torch.yaml"
    params:
        block=lambda wildcards: keys.score_block(CATALOG, wildcards.experiment),
        code=keys.script("score", code_digest("mer.training.score")),
    script:
        "../scripts/score.py"


rule exclusions:
    input:
        index=f"{RESULTS}/{{dataset}}/index.csv",
        products=lambda wildcards: CATALOG.products(wildcards.dataset),
    output:
        f"{RESULTS}/{{dataset}}/excluded.csv",
    log:
        f"{RESULTS}/logs/exclusions/{{dataset}}.log",
    conda:
        "../../envs/preprocess.yaml"
    params:
        code=keys.script("exclusions", code_digest("mer.exclusions")),
    script:
        "../scripts/exclusions.py"


rule report:
    input:
        metrics=[
            f"{RESULTS}/experiments/{name}/metrics.json" for name in CONFIG.experiments
        ],
        predictions=[
            path
            for name in CONFIG.experiments
            for path in prediction_files(CATALOG, name)
        ],
        data=[
            f"{RESULTS}/{name}/{table}.csv"
            for name in CONFIG.datasets
            for table in ("index", "problems", "excluded")
        ],
        products=[path for name in CONFIG.datasets for path in CATALOG.products(name)],
    output:
        page=f"{RESULTS}/report/index.html",
        tables=[f"{RESULTS}/report/scores.csv", f"{RESULTS}/report/scores.tex"],
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/preprocess.yaml"
    params:
        config=keys.as_text(config),
        code=keys.script("report", keys.report_code()),
    script:
        "../scripts/report.py"
