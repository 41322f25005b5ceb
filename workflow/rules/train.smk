# split -> fit(fold) -> predict(fold). A fit job's inputs are the containers of every subject but the held-out
# ones, and a table of training rows only: it cannot open what it must not see.

for _experiment in CONFIG.experiments:

    rule:
        name:
            f"split_{_experiment}"
        input:
            [
                f"{RESULTS}/{dataset}/index.csv"
                for dataset in CONFIG.experiments[_experiment].data
            ],
        output:
            train=[
                f"{RESULTS}/experiments/{_experiment}/folds/{fold.name}/train.csv"
                for fold in CATALOG.folds(_experiment)
            ],
            test=[
                f"{RESULTS}/experiments/{_experiment}/folds/{fold.name}/test.csv"
                for fold in CATALOG.folds(_experiment)
            ],
        log:
            f"{RESULTS}/logs/split/{_experiment}.log",
        conda:
            "../../envs/torch.yaml"
        params:
            experiment=_experiment,
            block=keys.split_block(CATALOG, _experiment),
            code=keys.script(
                "split", code_digest("mer.training.folds", "mer.training.tables")
            ),
        script:
            "../scripts/split.py"


rule fit:
    input:
        train=f"{RESULTS}/experiments/{{experiment}}/folds/{{fold}}/train.csv",
        products=lambda wildcards: CATALOG.fold_products(
            wildcards.experiment, wildcards.fold, held_out=False
        ),
    output:
        f"{RESULTS}/experiments/{{experiment}}/seed{{seed}}/{{fold}}/model.safetensors",
    log:
        f"{RESULTS}/logs/fit/{{experiment}}/seed{{seed}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit/{{experiment}}/seed{{seed}}/{{fold}}.tsv"
    wildcard_constraints:
        experiment=keys.one_by_one(CATALOG),
    priority: 6
    conda:
        "../../envs/torch.yaml"
    resources:
        gpu=lambda wildcards: keys.gpu(CATALOG, wildcards.experiment),
        mem_mb=2000,
    params:
        experiment=lambda wildcards: wildcards.experiment,
        folds=lambda wildcards: [wildcards.fold],
        block=lambda wildcards: keys.fit_block(CATALOG, wildcards.experiment),
        held_out=lambda wildcards: [
            CATALOG.fold(wildcards.experiment, wildcards.fold).held_out
        ],
        code=lambda wildcards: keys.fit_code(CATALOG, wildcards.experiment),
    script:
        "../scripts/fit.py"


# Experiments with `folds_per_job`: one job reads the files of all its folds' training subjects once. Each fold is
# trained on its own train table and gives what it gives alone (mer.training.batched).
for _experiment, _number, _folds in keys.fold_batches(CATALOG):

    rule:
        name:
            f"fit_{_experiment}_{_number}"
        input:
            train=[
                f"{RESULTS}/experiments/{_experiment}/folds/{fold.name}/train.csv"
                for fold in _folds
            ],
            products=keys.batch_products(CATALOG, _experiment, _folds),
        output:
            [
                f"{RESULTS}/experiments/{_experiment}/seed{{seed}}/{fold.name}/model.safetensors"
                for fold in _folds
            ],
        log:
            f"{RESULTS}/logs/fit/{_experiment}/seed{{seed}}/folds{_number}.log",
        benchmark:
            f"{RESULTS}/benchmarks/fit/{_experiment}/seed{{seed}}/folds{_number}.tsv"
        priority: 6
        conda:
            "../../envs/torch.yaml"
        threads: keys.fit_threads(CATALOG, _experiment, len(_folds))
        resources:
            gpu=keys.gpu(CATALOG, _experiment),
            mem_mb=4000,
        params:
            experiment=_experiment,
            folds=[fold.name for fold in _folds],
            block=keys.fit_block(CATALOG, _experiment),
            held_out=[fold.held_out for fold in _folds],
            code=keys.fit_code(CATALOG, _experiment),
        script:
            "../scripts/fit.py"


rule predict:
    input:
        model=f"{RESULTS}/experiments/{{experiment}}/seed{{seed}}/{{fold}}/model.safetensors",
        test=f"{RESULTS}/experiments/{{experiment}}/folds/{{fold}}/test.csv",
        products=lambda wildcards: CATALOG.fold_products(
            wildcards.experiment, wildcards.fold, held_out=True
        ),
    output:
        predictions=RESULTS
        + "/experiments/{experiment}/seed{seed}/{fold}/predictions.csv",
        excluded=f"{RESULTS}/experiments/{{experiment}}/seed{{seed}}/{{fold}}/excluded.csv",
    log:
        f"{RESULTS}/logs/predict/{{experiment}}/seed{{seed}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict/{{experiment}}/seed{{seed}}/{{fold}}.tsv"
    priority: 7
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=2000,
    params:
        code=lambda wildcards: keys.model_code(CATALOG, wildcards.experiment),
    script:
        "../scripts/predict.py"
