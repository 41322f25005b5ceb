"""The bench of the workflow plans as many clips as it says, and adds up where the seconds of a run went."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from mer.bench import overhead, workflow
from mer.cli import app
from mer.core.errors import ConfigError, DatasetError
from mer.planning.catalog import Catalog
from mer.planning.experiments import TASKS, all_planned
from mer.planning.planned_files import containers
from mer.planning.read_config import parse, read_files

SPINE = Path(__file__).resolve().parents[1] / "spine.yaml"


@pytest.fixture
def catalog():
    """The catalogue of one simulated database."""
    return Catalog(parse(read_files([SPINE])))


def test_clips_are_multiplied_to_so_many_of_so_many_people(catalog):
    reading = catalog.reading("simulated")
    many = workflow.multiplied(reading, 23, 5).samples
    assert sorted(Counter(row.group for row in many).values()) == [4, 4, 5, 5, 5]
    assert len({row.sample_id for row in many}) == 23
    assert {row.emotion_norm for row in many} <= {row.emotion_norm for row in reading.samples}
    assert sum(workflow.parts(20, 7, number, 3)[0] for number in range(3)) == 20


def test_too_few_people_or_clips_are_refused():
    raw = read_files([SPINE])
    with pytest.raises(ConfigError, match="1 subjects"):
        workflow.run_workflow_bench(raw, 4, 1, print)
    with pytest.raises(ConfigError, match="3 clips"):
        workflow.run_workflow_bench(raw, 3, 4, print)


@pytest.mark.slow
def test_planning_and_a_run_with_nothing_to_do_are_measured(tmp_path, monkeypatch, catalog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(read_files([SPINE]), sort_keys=False))
    result = CliRunner().invoke(app, ["bench", "workflow", "--clips", "9", "--subjects", "3", "--json"])
    assert result.exit_code == 0, result.output
    planning, idle = json.loads(result.stdout)
    products = len(list(containers(catalog))) * 3 // len(catalog.subjects("simulated"))
    # Besides: tables and truths, an index, splits, fits, predictions, scores, exclusions and a report.
    assert planning["jobs"] == products + (1 + 3) + 1 + 2 * (1 + 3 + 3 + 1) + 1 + 1 + 1
    assert (idle["run"], idle["jobs"]) == ("nothing to do", 0)
    assert all(row["peak_mib"] > 10 and row["cpu_seconds"] > 0 for row in (planning, idle))


def finished(folder, jobs):
    """Write benchmark files of jobs: rule, when each began, and how long it took."""
    for number, (rule, began, seconds) in enumerate(jobs):
        path = folder / "benchmarks" / rule / "faces" / f"{number}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t1.0\n")
        os.utime(path, (began + seconds, began + seconds))
    return folder


def test_overhead_is_what_starts_take_and_what_passes_between_jobs(tmp_path):
    jobs = [("align", 1000, 10), ("align", 1000, 8), ("fit", 1012, 0.5), ("fit", 5000, 4)]
    align, fit, between, whole = overhead.overhead(finished(tmp_path, jobs), starts=lambda script, module: 1.0)
    assert (align.jobs, align.job_seconds, align.work_seconds, align.overhead_seconds) == (2, 9, 16, 2)
    # Of the job that took half a second, all; what lies between the runs counts for neither.
    assert (fit.work_seconds, fit.overhead_seconds) == (3, 1.5)
    # Two at a time for 12.5 s and for 4 s, of which 22.5 s were jobs.
    assert between.overhead_seconds == pytest.approx(2 * 16.5 - 22.5)
    assert (whole.jobs, whole.work_seconds) == (4, 19)
    assert whole.overhead_seconds == pytest.approx(2 + 1.5 + 10.5)
    assert whole.share == pytest.approx(100 * 14 / 33)


def test_every_rule_with_a_benchmark_has_a_script_that_starts(tmp_path):
    assert {step.rule for task in TASKS.values() for step in (task.fit, task.predict)} <= set(overhead.STARTS)
    assert all((overhead.SCRIPTS / f"{script}.py").is_file() for script, _ in overhead.STARTS.values())
    assert 0 < overhead.start_seconds("score", "mer.core", tries=1) < 30


def test_what_is_no_finished_run_is_refused_in_one_line(tmp_path):
    with pytest.raises(DatasetError, match="holds no benchmarks"):
        overhead.overhead(tmp_path)
    finished(tmp_path, [("align", 1000, 10)])
    next(tmp_path.rglob("*.tsv")).write_text("nothing\n")
    with pytest.raises(DatasetError, match="is no benchmark"):
        overhead.overhead(tmp_path)


def test_a_plan_answers_once_for_all_folds_and_otherwise_for_other_tasks(catalog):
    plan = all_planned(catalog)["experiments"]["ststnet"]
    task = TASKS["fit"]
    assert plan.fit_block(task) is plan.fit_block(task) and plan.fit_code(task) != plan.predict_code(task)
    assert plan.fold(plan.folds[1].name) is plan.folds[1]
    sources = [source for fold in plan.folds for source in fold.train_sources]
    assert plan.products(sources) == plan.products(sorted(set(sources)))
