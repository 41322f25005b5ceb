"""Spotting as a user runs it: from recordings to scores, curves and names, nothing twice."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from conftest import project_in

from mer.spotting.interval_files import read_table

pytestmark = pytest.mark.slow
CONFIG = {
    "results": "results",
    "datasets": {
        "casme_sq": {
            "reader": "casme_sq",
            "options": {"view": "raw"},
            "simulate": {
                "layout": "casme_sq", "subjects": 3, "clips": 4, "width": 240, "height": 180, "raw": True,
                "seconds": 5, "talk": 0.5, "intensity": 1.6,
            },
        }
    },
    "align": {"long": {"method": "dlib", "size": 96, "clips": "recordings"}, "face": {"method": "dlib", "size": 96}},
    "spot": {"tenth": {"from": "align/long", "method": "clean", "size": 96}},
    "flow": {"apex": {"from": "align/face", "method": "dis", "pairs": "onset_apex"}},
    "experiments": {
        "svm": {"model": "svm_flow", "data": ["casme_sq"], "view": "emotion_3", "inputs": {"motion": "flow/apex"}}
    },
    "spotting": {
        "own": {"data": ["casme_sq"], "features": {"micro": "spot/tenth"}, "train": {"epochs": 3, "inner": 2}},
        "named": {
            "data": ["casme_sq"], "features": {"macro": "spot/tenth"}, "model": "softnet", "recognise": "svm",
            "train": {"epochs": 3, "inner": 2},
        },
    },
    "bootstrap": 200,
    "report": {"clips": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def spotted(tmp_path_factory):
    project = project_in(tmp_path_factory.mktemp("spotting"), yaml.safe_dump(CONFIG))
    project.run()
    return project


def results(project, name):
    folder = project.folder / "results" / "spotting" / name
    return folder, json.loads((folder / "metrics.json").read_text())


def test_every_recording_is_scored_those_without_an_expression_included(spotted):
    _, metrics = results(spotted, "own")
    with open(spotted.folder / "results" / "spotting" / "own" / "recordings.csv") as handle:
        rows = list(csv.DictReader(handle))
    assert metrics["recordings"] == len({row["sample_id"] for row in rows})
    assert metrics["recordings_without_expression"] == len([row for row in rows if not row["kind"]]) >= 1
    run = metrics["seeds"]["0"]
    assert run["tp"] + run["fn"] == sum(row["kind"] == "micro" for row in rows)
    assert 0 <= metrics["mean"]["strs"] <= 1


def test_tables_in_the_public_format_score_the_same(spotted):
    from mer.spotting.score_intervals import score

    folder, metrics = results(spotted, "own")
    tables = [read_table(folder / name) for name in ("gt.csv", "pred.csv")]
    assert not any(table.problems for table in tables)
    again = score(tables[0].rows, tables[1].rows, metrics["classes"])
    assert {k: again[k] for k in ("tp", "fp", "fn")} == {k: metrics["seeds"]["0"][k] for k in ("tp", "fp", "fn")}


def test_a_recognition_experiment_names_what_was_spotted(spotted):
    folder, metrics = results(spotted, "named")
    lines = [json.loads(line) for path in folder.glob("seed0/*/named.jsonl") for line in path.read_text().splitlines()]
    assert lines and all(row["emotion"] in metrics["classes"] or row.get("reason") for row in lines)
    assert any(row["emotion"] for row in lines)


def test_the_page_draws_the_curves(spotted):
    page = Path(spotted.folder / "results" / "report" / "index.html").read_text()
    assert 'id="spotting"' in page and page.count('class="curve"') >= 6


def test_a_second_run_has_nothing_to_do_and_p_changes_nothing_before_the_fit(spotted):
    assert "Nothing to be done" in spotted.run()
    spotted.edit(lambda config: config["spotting"]["own"]["train"].update(epochs=4))
    planned = spotted.planned()
    assert planned["spot_fit"] == 3 and "spot" not in planned and "align" not in planned
