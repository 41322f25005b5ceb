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
        RESULTS + "/experiments/{experiment}/metrics.json",
        RESULTS + "/experiments/{experiment}/per_subject.csv",
        RESULTS + "/experiments/{experiment}/confusion.csv",
        RESULTS + "/experiments/{experiment}/table.tex",
    log:
        RESULTS + "/logs/score/{experiment}.log",
    benchmark:
        RESULTS + "/benchmarks/score/{experiment}.tsv"
    conda:
        "../../envs/torch.yaml"
    params:
        block=lambda wildcards: keys.score_block(CATALOG, wildcards.experiment),
        code=code_digest("mer.training.score"),
    script:
        "../scripts/score.py"


rule exclusions:
    input:
        index=RESULTS + "/{dataset}/index.csv",
        products=lambda wildcards: CATALOG.products(wildcards.dataset),
    output:
        RESULTS + "/{dataset}/excluded.csv",
    log:
        RESULTS + "/logs/exclusions/{dataset}.log",
    conda:
        "../../envs/preprocess.yaml"
    params:
        code=code_digest("mer.exclusions"),
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
        page=RESULTS + "/report/index.html",
        tables=[RESULTS + "/report/scores.csv", RESULTS + "/report/scores.tex"],
    log:
        RESULTS + "/logs/report.log",
    conda:
        "../../envs/preprocess.yaml"
    params:
        config=keys.as_text(config),
        code=keys.report_code(),
    script:
        "../scripts/report.py"
