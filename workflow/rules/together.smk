# Jobs of several persons or folds: each gives what it gives alone.
from itertools import product
from types import SimpleNamespace

from mer.stages.registry import STAGES


def of_folds(plan, folds, path):
    return [f"{plan.folder.as_posix()}/{path.format(fold.name)}" for fold in folds]


# One job of several persons; these rules are taken before those of single ones (producers.smk). Snakemake leaves
# the containers (`update`), and the job those that it would make again as they are.
for _number, (_dataset, _variant, _subjects) in enumerate(CATALOG.batches()):
    _jobs = [
        SimpleNamespace(dataset=_dataset, variant=_variant.name, subject=subject)
        for subject in _subjects
    ]
    _place = "/".join(
        filter(None, (_variant.stage, _dataset, _variant.name, f"persons{_number}"))
    )

    rule:
        name:
            f"{_variant.stage}_{_number}"
        input:
            lambda wildcards, stage=_variant.stage, jobs=_jobs: [
                path for job in jobs for path in stage_source(stage)(job)
            ],
        output:
            [
                update(CATALOG.product(_dataset, _variant.key, subject).as_posix())
                for subject in _subjects
            ],
        log:
            f"{RESULTS}/logs/{_place}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{_place}.tsv"
        priority: list(STAGES).index(_variant.stage)
        group:
            shared(group_of(CONFIG, _variant.key))
        conda:
            "../../envs/preprocess.yaml"
        resources:
            gpu=_variant.gpus(CONFIG.gpu),
            mem_mb=lambda wildcards, attempt, variant=_variant: attempt
            * (1500 + memory.CUDA * variant.gpus(CONFIG.gpu)),
            runtime=lambda wildcards, attempt, variant=_variant, jobs=_jobs: stage_runtime(
                variant,
                [
                    row
                    for job in jobs
                    for row in CATALOG.samples(job.dataset, job.subject, variant)
                ],
                attempt,
            ),
        params:
            dataset=_dataset,
            spec=as_it_is(keys.stage_spec(_variant)),
            rows=lambda wildcards, stage=_variant.stage, jobs=_jobs: [
                stage_rows(stage, job) for job in jobs
            ],
            code=stage_code(_variant.key),
        script:
            "../scripts/stage.py"


# Experiments whose `folds_per_job` is not 1: one job reads the files of all its folds' training subjects once. Each fold is
# trained on its own train table and gives what it gives alone (mer.training.many_folds); another one predicts them in turn.
for _plan in PLANS["experiments"].values():
    for _number, (_seed, _folds) in enumerate(
        product(_plan.block.seeds, _plan.batches())
    ):

        rule:
            name:
                f"fit_{_plan.name}_{_number}"
            input:
                train=of_folds(_plan, _folds, "folds/{}/train.csv"),
                products=_plan.products(
                    source for fold in _folds for source in fold.train_sources
                ),
                trunk=[path for fold in _folds for path in _plan.trunk(fold.name)],
            output:
                of_folds(_plan, _folds, f"seed{_seed}/{{}}/model.safetensors"),
            log:
                f"{RESULTS}/logs/fit/{_plan.name}/seed{_seed}/folds{_number}.log",
            benchmark:
                f"{RESULTS}/benchmarks/fit/{_plan.name}/seed{_seed}/folds{_number}.tsv"
            priority: 6
            conda:
                "../../envs/torch.yaml"
            threads: 1 if _plan.gpus(TASKS["fit"]) else len(_folds)
            resources:
                gpu=_plan.gpus(TASKS["fit"]),
                mem_mb=trying(
                    lambda job, threads, plan=_plan, folds=_folds: plan.fit_mib(
                        TASKS["fit"], folds, threads
                    )
                ),
                runtime=trying(
                    lambda job, threads, plan=_plan, folds=_folds: plan.fit_minutes(
                        TASKS["fit"], folds, threads
                    ),
                    minutes.LONGEST,
                ),
            params:
                task="fit",
                experiment=_plan.name,
                seed=str(_seed),
                folds=[fold.name for fold in _folds],
                held_out=[fold.held_out for fold in _folds],
                block=as_it_is(_plan.fit_block(TASKS["fit"])),
                code=_plan.fit_code(TASKS["fit"]),
            script:
                "../scripts/fit.py"

        rule:
            name:
                f"predict_{_plan.name}_{_number}"
            input:
                model=of_folds(_plan, _folds, f"seed{_seed}/{{}}/model.safetensors"),
                test=of_folds(_plan, _folds, "folds/{}/test.csv"),
                products=_plan.products(
                    source for fold in _folds for source in fold.test_sources
                ),
            output:
                [
                    path
                    for fold in _folds
                    for file in TASKS["fit"].predict.files
                    for path in of_folds(_plan, [fold], f"seed{_seed}/{{}}/{file}")
                ],
            log:
                f"{RESULTS}/logs/predict/{_plan.name}/seed{_seed}/folds{_number}.log",
            benchmark:
                f"{RESULTS}/benchmarks/predict/{_plan.name}/seed{_seed}/folds{_number}.tsv"
            priority: 7
            group:
                shared("predict")
            conda:
                "../../envs/torch.yaml"
            resources:
                mem_mb=trying(
                    lambda job, threads, plan=_plan, folds=_folds: plan.predict_mib(
                        TASKS["fit"], folds
                    )
                ),
                runtime=trying(
                    lambda job, threads, plan=_plan, folds=_folds: plan.predict_minutes(
                        TASKS["fit"], folds
                    ),
                    minutes.LONGEST,
                ),
            params:
                task="fit",
                experiment=_plan.name,
                seed=str(_seed),
                folds=[fold.name for fold in _folds],
                block=as_it_is(_plan.fit_block(TASKS["fit"])),
                code=_plan.predict_code(TASKS["fit"]),
            script:
                "../scripts/predict.py"
