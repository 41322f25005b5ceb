# split -> fit(fold) -> predict(fold) of every task: recognition, its oracle-epoch diagnostic, and spotting
# (mer.training.task). A fit job's inputs are the containers of every subject but the held-out ones, and a table of
# training rows only: it cannot open what it must not see.
from mer.planning import minutes
from mer.planning.experiments import TASKS, all_planned
from mer.planning.planned import one_by_one, trying

try:
    PLANS = all_planned(CATALOG)
except MerError as error:
    sys.exit(f"mer: {error}")


def of_plan(task, question):
    def answer(wildcards):
        hold_against_plan()
        return question(PLANS[task.folder][wildcards.experiment], wildcards)

    return answer


def asked_of(task, question, most=sys.maxsize):
    return trying(
        lambda wildcards, threads: question(
            PLANS[task.folder][wildcards.experiment], wildcards, threads
        ),
        most,
    )


def one_in_a_job(task):
    return (
        one_by_one(PLANS[task.folder].values()) if task.fit.rule == "fit" else "[^/]+"
    )


for _folder, _plans in PLANS.items():
    _task = next(task for task in TASKS.values() if task.folder == _folder)
    for _plan in _plans.values():

        rule:
            name:
                f"{_task.table.rule}_{_plan.name}"
            input:
                [f"{RESULTS}/{dataset}/index.csv" for dataset in _plan.block.data],
            output:
                [path.as_posix() for path, _ in _plan.tables()],
            log:
                f"{RESULTS}/logs/{_task.table.rule}/{_plan.name}.log",
            localrule: True
            conda:
                "../../envs/torch.yaml"
            params:
                task=_task.fit.rule,
                experiment=_plan.name,
                indexed=_plan.indexed,
                block=_plan.split_block(),
                code=keys.script(
                    "split", code_digest("mer.training.folds", _task.table.module)
                ),
            script:
                "../scripts/split.py"


for _task in TASKS.values():
    _base = f"{RESULTS}/{_task.folder}/{{experiment}}"
    _fold = f"{_base}/seed{{seed}}/{{fold}}"

    rule:
        name:
            _task.fit.rule
        input:
            train=[f"{_base}/folds/{{fold}}/train.csv"],
            products=of_plan(
                _task,
                lambda plan, job: plan.products(plan.fold(job.fold).train_sources),
            ),
            trunk=of_plan(_task, lambda plan, job: plan.trunk(job.fold)),
        output:
            [f"{_fold}/{file}" for file in _task.fit.files],
        log:
            f"{RESULTS}/logs/{_task.fit.rule}/{{experiment}}/seed{{seed}}/{{fold}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{_task.fit.rule}/{{experiment}}/seed{{seed}}/{{fold}}.tsv"
        wildcard_constraints:
            experiment=one_in_a_job(_task),
        priority: 6
        group:
            of_plan(_task, lambda plan, job, task=_task: shared(plan.fit_group(task)))
        conda:
            "../../envs/torch.yaml"
        resources:
            gpu=of_plan(_task, lambda plan, job, task=_task: plan.gpus(task)),
            mem_mb=asked_of(
                _task,
                lambda plan, job, threads, task=_task: plan.fit_mib(
                    task, [plan.fold(job.fold)]
                ),
            ),
            runtime=asked_of(
                _task,
                lambda plan, job, threads, task=_task: plan.fit_minutes(
                    task, [plan.fold(job.fold)]
                ),
                minutes.LONGEST,
            ),
        params:
            task=_task.fit.rule,
            experiment=lambda wildcards: wildcards.experiment,
            seed=lambda wildcards: wildcards.seed,
            folds=lambda wildcards: [wildcards.fold],
            held_out=of_plan(_task, lambda plan, job: [plan.fold(job.fold).held_out]),
            block=of_plan(_task, lambda plan, job, task=_task: plan.fit_block(task)),
            code=of_plan(_task, lambda plan, job, task=_task: plan.fit_code(task)),
        script:
            "../scripts/fit.py"

    rule:
        name:
            _task.predict.rule
        input:
            model=[f"{_fold}/{_task.fit.files[0]}"],
            test=[f"{_base}/folds/{{fold}}/test.csv"],
            products=of_plan(
                _task,
                lambda plan, job: plan.products(plan.fold(job.fold).test_sources),
            ),
        output:
            [f"{_fold}/{file}" for file in _task.predict.files],
        log:
            f"{RESULTS}/logs/{_task.predict.rule}/{{experiment}}/seed{{seed}}/{{fold}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{_task.predict.rule}/{{experiment}}/seed{{seed}}/{{fold}}.tsv"
        wildcard_constraints:
            experiment=one_in_a_job(_task),
        priority: 7
        group:
            of_plan(_task, lambda plan, job, task=_task: shared(task.predict.rule))
        conda:
            "../../envs/torch.yaml"
        resources:
            runtime=asked_of(
                _task,
                lambda plan, job, threads, task=_task: plan.predict_minutes(
                    task, [plan.fold(job.fold)]
                ),
                minutes.LONGEST,
            ),
            mem_mb=asked_of(
                _task,
                lambda plan, job, threads, task=_task: plan.predict_mib(
                    task, [plan.fold(job.fold)]
                ),
            ),
        params:
            task=_task.fit.rule,
            experiment=lambda wildcards: wildcards.experiment,
            seed=lambda wildcards: wildcards.seed,
            folds=lambda wildcards: [wildcards.fold],
            block=of_plan(_task, lambda plan, job, task=_task: plan.fit_block(task)),
            code=of_plan(_task, lambda plan, job, task=_task: plan.predict_code(task)),
        script:
            "../scripts/predict.py"
