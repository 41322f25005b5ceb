# Spotting in whole recordings: split -> fit(fold) -> predict(fold) -> score. As in train.smk, a fit job's inputs are the
# containers of every subject but the held-out one.
from mer.planning.spotting import SpotPlan, fit_code

try:
    SPOTTING = {name: SpotPlan(CATALOG, name) for name in CONFIG.spotting}
except MerError as error:
    sys.exit(f"mer: {error}")


def spot_fold(wildcards):
    return SPOTTING[wildcards.spotting].fold(wildcards.fold)


def spot_files(name):
    return lambda wildcards: [
        f"{RESULTS}/spotting/{wildcards.spotting}/seed{seed}/{fold.name}/{name}"
        for seed in SPOTTING[wildcards.spotting].block.seeds
        for fold in SPOTTING[wildcards.spotting].folds()
    ]


for _spotting, _plan in SPOTTING.items():

    rule:
        name:
            f"spot_split_{_spotting}"
        input:
            [f"{RESULTS}/{dataset}/index.csv" for dataset in _plan.block.data],
        output:
            [
                f"{RESULTS}/spotting/{_spotting}/folds/{fold.name}/{part}.csv"
                for fold in _plan.folds()
                for part in ("train", "test")
            ],
            f"{RESULTS}/spotting/{_spotting}/recordings.csv",
        log:
            f"{RESULTS}/logs/spot_split/{_spotting}.log",
        conda:
            "../../envs/torch.yaml"
        params:
            spotting=_spotting,
            block=keys.as_text({"view": _plan.block.view, "data": _plan.block.data}),
            code=keys.script("spot_split", code_digest("mer.spotting.truth")),
        script:
            "../scripts/spot_split.py"


rule spot_fit:
    input:
        train=f"{RESULTS}/spotting/{{spotting}}/folds/{{fold}}/train.csv",
        products=lambda wildcards: SPOTTING[wildcards.spotting].inputs(
            spot_fold(wildcards).train
        ),
    output:
        f"{RESULTS}/spotting/{{spotting}}/seed{{seed}}/{{fold}}/model.safetensors",
    log:
        f"{RESULTS}/logs/spot_fit/{{spotting}}/seed{{seed}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/spot_fit/{{spotting}}/seed{{seed}}/{{fold}}.tsv"
    priority: 6
    conda:
        "../../envs/torch.yaml"
    resources:
        gpu=0,
        mem_mb=3000,
    params:
        block=lambda wildcards: SPOTTING[wildcards.spotting].fit_block(),
        code=lambda wildcards: keys.script("spot_fit", fit_code()),
    script:
        "../scripts/spot_fit.py"


rule spot_predict:
    input:
        model=f"{RESULTS}/spotting/{{spotting}}/seed{{seed}}/{{fold}}/model.safetensors",
        test=f"{RESULTS}/spotting/{{spotting}}/folds/{{fold}}/test.csv",
        products=lambda wildcards: SPOTTING[wildcards.spotting].inputs(
            spot_fold(wildcards).test
        ),
    output:
        intervals=f"{RESULTS}/spotting/{{spotting}}/seed{{seed}}/{{fold}}/intervals.jsonl",
        curves=f"{RESULTS}/spotting/{{spotting}}/seed{{seed}}/{{fold}}/curves.npz",
        excluded=f"{RESULTS}/spotting/{{spotting}}/seed{{seed}}/{{fold}}/excluded.jsonl",
    log:
        f"{RESULTS}/logs/spot_predict/{{spotting}}/seed{{seed}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/spot_predict/{{spotting}}/seed{{seed}}/{{fold}}.tsv"
    priority: 7
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=3000,
    params:
        code=lambda wildcards: keys.script("spot_predict", fit_code()),
    script:
        "../scripts/spot_predict.py"


rule spot_name:
    input:
        intervals=f"{RESULTS}/spotting/{{spotting}}/seed{{seed}}/{{fold}}/intervals.jsonl",
        model=lambda wildcards: SPOTTING[wildcards.spotting].second_model(
            wildcards.fold
        ),
    output:
        f"{RESULTS}/spotting/{{spotting}}/seed{{seed}}/{{fold}}/named.jsonl",
    log:
        f"{RESULTS}/logs/spot_name/{{spotting}}/seed{{seed}}/{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/spot_name/{{spotting}}/seed{{seed}}/{{fold}}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=3000,
    params:
        code=lambda wildcards: keys.script(
            "spot_name", code_digest("mer.spotting.second")
        ),
    script:
        "../scripts/spot_name.py"


rule spot_score:
    input:
        recordings=f"{RESULTS}/spotting/{{spotting}}/recordings.csv",
        intervals=lambda wildcards: spot_files(
            SPOTTING[wildcards.spotting].found_file
        )(wildcards),
        excluded=spot_files("excluded.jsonl"),
    output:
        metrics=f"{RESULTS}/spotting/{{spotting}}/metrics.json",
        truth=f"{RESULTS}/spotting/{{spotting}}/gt.csv",
        predictions=f"{RESULTS}/spotting/{{spotting}}/pred.csv",
    log:
        f"{RESULTS}/logs/spot_score/{{spotting}}.log",
    conda:
        "../../envs/torch.yaml"
    params:
        block=lambda wildcards: keys.as_text(
            {
                "classes": SPOTTING[wildcards.spotting].classes,
                "kinds": SPOTTING[wildcards.spotting].kinds,
            }
        ),
        code=keys.script("spot_score", code_digest("mer.spotting.collect")),
    script:
        "../scripts/spot_score.py"
