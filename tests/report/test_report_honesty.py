"""The parts of the report that keep scores honest: comparisons, permuted twins, CD6ME averages, the diagnostics."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_world import drawn

from mer.metrics.units import unit_averages
from mer.report.answer import answer
from mer.report.build import build_report
from mer.report.cd6me import cd6me_csv, unit_tables
from mer.report.details import monitor_rows, oracle_rows
from mer.report.inputs import ReportInputs
from mer.report.scores import Comparison, Experiment, compare, comparisons, load_experiment, score_rows, twins
from mer.report.tables import comparisons_csv
from mer.report.times import known_jobs, stage_times


@pytest.fixture(scope="module")
def experiments(inputs: ReportInputs) -> dict[str, Experiment]:
    return {name: load_experiment(name, files) for name, files in inputs.experiments.items()}


def comparison_table(rows: list[Comparison]) -> str:
    return drawn("scores.html", "comparison_table", rows)


def twin_table(rows: list) -> str:
    return drawn("scores.html", "twin_table", rows)


def cd6me_block(tables: list) -> str:
    return drawn("scores.html", "units", tables)


def oracle_block(found: dict | None) -> str:
    return drawn("experiments.html", "oracle", found, oracle_rows(found) if found else [])


def monitor_block(found: dict | None, classes: int = 3) -> str:
    return drawn("experiments.html", "monitor", found, monitor_rows(found) if found else [], classes)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.slow
def test_a_difference_inside_its_interval_is_marked_in_page_and_table(experiments: dict[str, Experiment]) -> None:
    near = compare(experiments["good"], replace(experiments["good"], name="twin"))
    far = compare(experiments["better"], experiments["leak_test"])
    lines = read(comparisons_csv([near, far]))
    assert lines[0]["uf1_reading"] == "not distinguishable" and lines[1]["uf1_reading"] == "better is better"
    assert float(lines[1]["uf1_low"]) > 0 and float(lines[1]["uar_difference"]) > 0 and lines[0]["clips"] == "46"
    html = comparison_table([near, far])
    assert '<span class="grey">' in html and "<strong>+" in html and "the interval contains 0" in html


def test_what_cannot_be_compared_says_why_in_the_table(experiments: dict[str, Experiment]) -> None:
    (line,) = read(comparisons_csv([Comparison("a", "=b", problem="no clip in common")]))
    assert line["problem"] == "no clip in common" and line["second"] == "'=b" and line["uf1_difference"] == ""


def test_experiments_on_different_views_are_not_compared(experiments: dict[str, Experiment]) -> None:
    good = experiments["good"]
    other = replace(good, name="other", inputs=replace(good.inputs, view="cd6me_au4"))
    assert comparisons([good, other]) == []


def test_a_permuted_run_stands_beside_its_true_twin(experiments: dict[str, Experiment]) -> None:
    (twin,) = twins(list(experiments.values()))
    assert twin.permuted.experiment.name == "leak_test" and twin.true is not None and not twin.leaks
    assert twin.band["low"] < twin.permuted.value["uf1"] <= twin.band["high"] and twin.band["p"] > 0.025
    html = twin_table([twin])
    assert "no sign of a leak" in html and twin.true.experiment.name in html
    alone = replace(experiments["leak_test"], inputs=replace(experiments["leak_test"].inputs, settings="{}"))
    (single,) = twins([alone, experiments["good"]])
    assert single.true is None and "none configured" in twin_table([single])


def test_a_permuted_run_above_its_band_is_called_a_leak(experiments: dict[str, Experiment]) -> None:
    leaking = replace(experiments["good"], inputs=replace(experiments["good"].inputs, labels="permuted"))
    (twin,) = twins([leaking])
    assert twin.leaks and score_rows(leaking)[0].verdict == "above" and "look for a leak" in twin_table([twin])


def unit_experiment(good: Experiment, number: int, seed: int) -> Experiment:
    rng = np.random.default_rng(seed)
    truth = (rng.random(len(good.scored.keys)) < 0.4).astype(np.int64)
    guess = np.where(rng.random((2, len(truth))) < 0.8, truth, 1 - truth)
    scored = replace(good.scored, classes=("absent", "present"), truth=truth, predicted=guess, seeds=[0, 1])
    return replace(
        good,
        name=f"au{number}",
        scored=scored,
        inputs=replace(good.inputs, view=f"cd6me_au{number}", protocol="database"),
    )


@pytest.fixture(scope="module")
def units(experiments: dict[str, Experiment]) -> list[Experiment]:
    return [unit_experiment(experiments["good"], number, number) for number in (12, 1, 4)]


def test_cd6me_experiments_are_averaged(units: list[Experiment], experiments: dict[str, Experiment]) -> None:
    (entry,) = unit_tables([*units, experiments["good"]])
    assert entry.names == ("au1", "au4", "au12") and entry.clips == 46 and entry.scores is not None
    base = units[0].scored
    expected = unit_averages(
        {e.name: e.scored.truth for e in units}, {e.name: e.scored.predicted for e in units}, base.groups,
        base.datasets, 200,
    )  # fmt: skip
    assert entry.scores["average"]["units"]["binary"]["value"] == pytest.approx(
        expected["average"]["units"]["binary"]["value"]
    )
    lines = read(cd6me_csv([entry]))
    assert [line["of"] for line in lines] == ["units"] * 3 + ["datasets"] * 2 + [
        "mean of units", "mean of datasets", "mean of units", "mean of datasets",
    ]  # fmt: skip
    own = [float(line["binary_f1"]) for line in lines if line["of"] == "units"]
    assert float(lines[5]["binary_f1"]) == pytest.approx(np.mean(own), abs=1e-5)
    assert float(lines[5]["binary_f1_low"]) < float(lines[5]["binary_f1"]) < float(lines[5]["binary_f1_high"])
    html = cd6me_block([entry])
    assert "3 of 12" in html and "every unit named in every clip" in html


def test_sets_that_differ_in_more_than_the_unit_stay_apart(units: list[Experiment]) -> None:
    permuted = replace(units[0], name="p", inputs=replace(units[0].inputs, labels="permuted"))
    other = replace(units[1], name="o", inputs=replace(units[1].inputs, model="ststnet"))
    assert len(unit_tables([*units, permuted, other])) == 3
    twice = replace(units[0], name="again")
    (entry,) = unit_tables([*units, twice])
    assert entry.scores is None and "two experiments on one unit" in cd6me_block([entry])
    assert cd6me_block([]).strip() == "" and len(read(cd6me_csv([]))) == 0


def test_the_score_of_the_mean_stands_beside_the_mean_of_the_scores(experiments: dict[str, Experiment]) -> None:
    good = experiments["good"]
    assert "mean of 3 seeds;" in answer(score_rows(good)[0]).facts
    average = {"pooled": {"uf1": 0.875}}
    told = answer(score_rows(replace(good, metrics={**good.metrics, "average": average}))[0]).facts
    assert "mean of 3 seeds (0.875 by the mean of their scores of a clip);" in told


def test_the_oracle_diagnostic_is_shown_as_a_diagnostic_only() -> None:
    level = {"uf1": 0.6, "uar": 0.61, "accuracy": 0.7, "pooled_uf1": 0.55, "pooled_uar": 0.56}
    found = {
        "epochs": [2, 4, 6], "claimed": level | {"uf1": 0.812}, "one_epoch": {"uf1": 0.5, "uar": 0.5},
        "honest": {"uf1": 0.456, "uar": 0.4}, "random": {"uniform": level, "prior": level | {"uf1": 0.777}},
        "agreement": 0.98,
    }  # fmt: skip
    html = " ".join(oracle_block(found).split())
    assert oracle_block(None).strip() == ""
    for text in ("0.812", "0.456", "0.777", "Not a score of this experiment", "3 epochs kept, 2 to 6", "98.0 %"):
        assert text in html
    assert "98.0 %" not in oracle_block(found | {"agreement": 1.0})


def test_the_monitor_opens_when_a_network_collapsed() -> None:
    training = [
        {"seed": 0, "fold": "a", "classes_used": 1.0, "training_accuracy": 0.4},
        {"seed": 0, "fold": "b", "classes_used": 2.5, "training_accuracy": None},
    ]
    found = {"held_out": {"0": 1.75}, "training": training, "collapsed": 1, "threshold": 1.2}
    html = monitor_block(found).strip()
    assert "Collapse monitor: 1 collapsed" in html and "open" in html.split(">")[0]
    assert "1.00, 1.75" in html and "0.40, 0.40" in html
    quiet = monitor_block(found | {"collapsed": 0, "training": []}).strip()
    assert quiet and "open" not in quiet.split(">")[0] and monitor_block(None).strip() == ""


def test_jobs_of_what_was_taken_out_are_not_counted(inputs: ReportInputs, tmp_path: Path) -> None:
    good = replace(inputs.experiments["good"], predictions=[Path(f"seed{k}/s/predictions.csv") for k in (0, 1)])
    known = known_jobs(replace(inputs, experiments={**inputs.experiments, "good": good}))
    kept = ["fit/good/seed1/s", "score/good", "align/alpha/face/alpha-s00", "frames/alpha/alpha-s00", "index/alpha",
            "predict_epochs/good/seed0/s"]  # fmt: skip
    gone = ["fit/good/seed2/s", "fit/good/seed1/other",
            "fit/old/seed0/s", "score/old", "align/alpha/old/alpha-s00", "frames/old/alpha-s00",
            "align/alpha/face/alpha-s99", "index/old"]  # fmt: skip
    assert [name for name in [*kept, *gone] if known(name.split("/"))] == kept
    for name in (*kept, *gone):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s\tmax_rss\tcpu_time\n2.0\t100\t1.5\n")
    assert sum(row.jobs for row in stage_times(tmp_path, {}, known)) == len(kept)


def test_the_report_writes_its_tables_and_shows_the_twins(inputs: ReportInputs, tmp_path: Path) -> None:
    build_report(inputs, tmp_path / "index.html")
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html", "scores.csv", "scores.tex", "methods.tex", "references.bib", "comparisons.csv", "cd6me.csv",
    }  # fmt: skip
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    (line,) = read((tmp_path / "comparisons.csv").read_text(encoding="utf-8"))
    assert "chance band of its predictions" in html and line["uf1_reading"] in html
    level = json.loads(inputs.experiments["leak_test"].metrics.read_text())["chance"]["own_predictions"]["uf1"]
    assert f"{level['low']:.3f} to {level['high']:.3f}" in html
