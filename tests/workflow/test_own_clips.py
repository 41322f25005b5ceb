"""From a folder of one's own videos and a spreadsheet to scores, with the commands that a user types."""

import csv
import shlex

import pages
import pytest
import yaml
from conftest import project_in
from typer.testing import CliRunner

from mer.cli import app
from mer.core import validation

PAGE = "docs/tutorials/own-clips.md"
SMALL = {"width": 240, "height": 180, "shortest": 0.3, "longest": 0.36, "blink": 0.0}


@pytest.mark.slow
def test_a_folder_of_videos_with_a_table_runs_to_its_scores(tmp_path, monkeypatch):
    written = tmp_path / "mine.yaml"
    film, init, check, run = pages.commands(PAGE)
    with monkeypatch.context() as smaller:
        whole = validation.validate
        smaller.setattr(validation, "validate", lambda kind, given, *more: whole(kind, {**given, **SMALL}, *more))
        pages.mer(film, tmp_path)
    done = pages.mer(init, tmp_path)
    assert "mer check --config mine.yaml --dataset my_clips" in done
    checked = pages.mer(check, tmp_path, status=(1,))
    pages.expect(PAGE, done + checked)
    assert "usable with exclusions: 10 of 11 rows" in checked
    assert "column 'Clip': no video or folder of images 'p01_visit99.mp4'" in " ".join(checked.split())
    assert CliRunner().invoke(app, ["check"]).exit_code == 1

    (tmp_path / "project").mkdir()
    project = project_in(tmp_path / "project", written.read_text())
    config = yaml.safe_load(written.read_text())
    del config["experiments"]["ststnet"]
    for name in ("config.yaml", "mine.yaml"):
        (project.folder / name).write_text(yaml.safe_dump(config | {"results": "results", "bootstrap": 100}))
    project.run(*shlex.split(run)[2:])
    results = project.folder / "results"
    with open(results / "my_clips" / "index.csv", newline="") as handle:
        index = list(csv.DictReader(handle))
    assert [row["status"] for row in index].count("ok") == 10
    with open(results / "report" / "scores.csv", newline="") as handle:
        scores = list(csv.DictReader(handle))
    assert {(row["experiment"], row["clips"], row["subjects"]) for row in scores} >= {("svm_flow", "9", "3")}
    assert (results / "report" / "index.html").exists() and not project.planned()
