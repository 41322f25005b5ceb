"""From a folder of one's own videos and a spreadsheet to scores, with the commands that a user types."""

import csv

import pytest
import yaml
from conftest import project_in
from typer.testing import CliRunner

from mer.cli import app
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout

SMALL = {"subjects": 3, "clips": 3, "width": 240, "height": 180, "shortest": 0.3, "longest": 0.36, "blink": 0.0}


@pytest.mark.slow
def test_a_folder_of_videos_with_a_table_runs_to_its_scores(tmp_path):
    given, chosen = SimulateParams.model_validate({"layout": "table", **SMALL}), layout("table")
    root = tmp_path / "my clips"
    chosen.write_tables(given, root)
    for subject in chosen.subjects(given):
        chosen.write_subject(given, subject, root, tmp_path / f"{subject}.h5")
    written = tmp_path / "mine.yaml"
    done = CliRunner().invoke(app, ["init", str(root), "--output", str(written)])
    assert done.exit_code == 0 and f"mer check --config {written} --dataset my_clips" in done.stdout
    checked = CliRunner().invoke(app, ["check", "--config", str(written), "--dataset", "my_clips"])
    assert checked.exit_code == 1 and "usable with exclusions: 10 of 11 rows" in checked.stdout
    assert "column 'Clip': no video or folder of images 'p01_visit99.mp4'" in " ".join(checked.stdout.split())
    assert CliRunner().invoke(app, ["check"]).exit_code == 1

    (tmp_path / "project").mkdir()
    project = project_in(tmp_path / "project", written.read_text())
    config = yaml.safe_load(written.read_text())
    del config["experiments"]["ststnet"]
    (project.folder / "config.yaml").write_text(yaml.safe_dump(config | {"results": "results", "bootstrap": 100}))
    project.run()
    results = project.folder / "results"
    with open(results / "my_clips" / "index.csv", newline="") as handle:
        index = list(csv.DictReader(handle))
    assert [row["status"] for row in index].count("ok") == 10
    with open(results / "report" / "scores.csv", newline="") as handle:
        scores = list(csv.DictReader(handle))
    assert {(row["experiment"], row["clips"], row["subjects"]) for row in scores} >= {("svm_flow", "9", "3")}
    assert (results / "report" / "index.html").exists() and not project.planned()
