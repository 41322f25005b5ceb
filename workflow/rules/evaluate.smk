# score -> exclusions -> report, and the oracle-epoch diagnostic: a second fit of every fold that keeps the weights of
# some epochs. Its inputs are those of the fit, so it cannot open the held-out subjects' files either.


def fold_files(name):
    return lambda wildcards: prediction_files(CATALOG, wildcards.experiment, name)


REPORT_TABLES = ("scores.csv", "scores.tex", "comparisons.csv", "cd6me.csv")


def epoch_files(wildcards):
    asked = CONFIG.experiments[wildcards.experiment].diagnose.oracle_epoch
    return fold_files("epochs.csv")(wildcards) if asked else []


rule fit_epochs:
    input:
        train=f"{RESULTS}/experiments/{{experiment}}/folds/{{fold}}/train.csv",
        products=lambda wildcards: CATALOG.fold_products(
            wildcards.experiment, wildcards.fold, held_out=False
        ),
    output:
        f"{RESULTS}/experiments/{{experiment}}/seed{{seed}}/{{fold}}/epochs.safetensors",
    log:
        f"{RESULTS}/logs/fit_epochs/{{experiment}}/seed{{seed}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_epochs/{{experiment}}/seed{{seed}}/{{fold}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        gpu=lambda wildcards: keys.gpu(CATALOG, wildcards.experiment),
        mem_mb=2000,
    params:
        block=lambda wildcards: keys.epochs_block(CATALOG, wildcards.experiment),
        held_out=lambda wildcards: CATALOG.fold(
            wildcards.experiment, wildcards.fold
        ).held_out,
        code=lambda wildcards: keys.script(
            "fit_epochs", keys.epochs_code(CATALOG, wildcards.experiment)
        ),
    script:
        "../scripts/fit_epochs.py"


rule predict_epochs:
    input:
        model=f"{RESULTS}/experiments/{{experiment}}/seed{{seed}}/{{fold}}/epochs.safetensors",
        test=f"{RESULTS}/experiments/{{experiment}}/folds/{{fold}}/test.csv",
        products=lambda wildcards: CATALOG.fold_products(
            wildcards.experiment, wildcards.fold, held_out=True
        ),
    output:
        f"{RESULTS}/experiments/{{experiment}}/seed{{seed}}/{{fold}}/epochs.csv",
    log:
        f"{RESULTS}/logs/predict_epochs/{{experiment}}/seed{{seed}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_epochs/{{experiment}}/seed{{seed}}/{{fold}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=2000,
    params:
        code=lambda wildcards: keys.script(
            "predict_epochs", keys.epochs_code(CATALOG, wildcards.experiment)
        ),
    script:
        "../scripts/predict_epochs.py"


rule score:
    input:
        predictions=fold_files("predictions.csv"),
        excluded=fold_files("excluded.csv"),
        models=fold_files("model.safetensors"),
        epochs=epoch_files,
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
        code=keys.script("exclusions", code_digest("mer.stages.exclusions")),
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
        spotting=[f"{RESULTS}/spotting/{name}/metrics.json" for name in CONFIG.spotting],
        data=[
            f"{RESULTS}/{name}/{table}.csv"
            for name in CONFIG.datasets
            for table in ("index", "problems", "excluded")
        ],
        products=[path for name in CONFIG.datasets for path in CATALOG.products(name)],
    output:
        page=f"{RESULTS}/report/index.html",
        tables=[f"{RESULTS}/report/{name}" for name in REPORT_TABLES],
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/preprocess.yaml"
    params:
        config=keys.as_text(config),
        code=keys.script("report", keys.report_code()),
    script:
        "../scripts/report.py"
