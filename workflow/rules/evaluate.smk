# score -> exclusions -> report.

from mer.planning.planned_files import REPORT_TABLES

for _task in TASKS.values():
    if _task.score is None:
        continue

    rule:
        name:
            _task.score.rule
        input:
            unpack(of_plan(_task, lambda plan, job: plan.score_inputs())),
        output:
            [
                f"{RESULTS}/{_task.folder}/{{experiment}}/{file}"
                for file in _task.score.files
            ],
        log:
            f"{RESULTS}/logs/{_task.score.rule}/{{experiment}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{_task.score.rule}/{{experiment}}.tsv"
        conda:
            "../../envs/torch.yaml"
        params:
            task=_task.fit.rule,
            block=of_plan(_task, lambda plan, job: plan.score_block()),
            code=keys.script("score", code_digest(_task.score.module)),
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
    localrule: True
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
            for plan in PLANS["experiments"].values()
            for path in plan.files("predictions.csv")
        ],
        spotting=[f"{RESULTS}/spotting/{name}/metrics.json" for name in CONFIG.spotting],
        data=[
            f"{RESULTS}/{name}/{table}.csv"
            for name in CONFIG.datasets
            for table in ("index", "problems", "excluded")
        ],
        products=[path for name in CONFIG.datasets for path in CATALOG.products(name)],
    output:
        page=report(f"{RESULTS}/report/index.html", category="Report"),
        tables=[
            report(f"{RESULTS}/report/{name}", category="Report")
            for name in REPORT_TABLES
        ],
        digests=f"{RESULTS}/report/digests.json",
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/preprocess.yaml"
    params:
        config=as_it_is(keys.as_text(config)),
        code=keys.script("report", keys.report_code()),
    script:
        "../scripts/report.py"
