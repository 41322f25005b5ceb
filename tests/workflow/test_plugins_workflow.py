"""One's own model, flow method, clips and classes, outside of the checkout: to a report, then only what changed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pages
import pytest
import yaml

from mer.planning.read_config import parse
from mer.testing.new_plugin import write_new
from mer.training.checkpoint import read_metadata

pytestmark = pytest.mark.slow
PAGE = "docs/tutorials/own-model.md"
ROOT = Path(__file__).resolve().parents[2]
CONFIG = {
    "results": "results",
    "plugins": ["my_cnn.py", "my_flow.py"],
    "bootstrap": 100,
    "datasets": {
        "faces": {
            "reader": "table",
            "simulate": {
                "layout": "table", "subjects": 3, "clips": 3, "width": 240, "height": 180, "shortest": 0.2,
                "longest": 0.24, "quirks": False,
            },
        }
    },
    "views": {"smiles": {"classes": {"smile": ["happiness"], "rest": ["disgust", "anger", "sadness"]}}},
    "align": {"face": {"method": "dlib", "size": 64, "upsample": 1}},
    "flow": {"mine": {"from": "align/face", "method": "my_flow"}},
    "experiments": {
        "mine": {
            "model": "my_cnn", "data": ["faces"], "view": "smiles", "inputs": {"motion": "flow/mine"},
            # Folds beside each other, in processes that have to know the model.
            "train": {"epochs": 3}, "folds_per_job": 3,
        }
    },
    "report": {"clips": 1},
}  # fmt: skip


def snakemake(folder, *arguments, check=True):
    """Run the checkout's workflow in a folder that has nothing of it, with the configuration of another folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--resources", "gpu=1", "--nocolor", "--configfile", "mine/config.yaml", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    text = result.stdout + result.stderr
    assert not check or result.returncode == 0, text[-6000:]
    return text


def planned(folder):
    """Return the rules of the jobs that a dry run would run."""
    text = snakemake(folder, "--dry-run", "--quiet", "host", "reason")
    # The table comes once before the jobs and once behind them, under a line of dashes.
    table = text.rpartition("---\n")[2].partition("\n\n")[0]
    rows = [line.split() for line in table.splitlines()]
    return {row[0] for row in rows if len(row) == 2 and row[1].isdigit()} - {"total", "all"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a user: plug-ins and their configuration in one place, results in another."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "mine").mkdir()
    new, check, _ = pages.commands(PAGE)
    pages.mer(new, folder / "mine")
    pages.parsed(check)
    write_new("method", "my_flow", folder / "mine")
    (folder / "mine" / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    snakemake(folder)
    return folder


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_they_run_to_a_scored_report(finished):
    results = finished / "results"
    metrics = json.loads((results / "experiments" / "mine" / "metrics.json").read_text())
    assert (metrics["n_clips"], metrics["n_subjects"], metrics["classes"]) == (6, 3, ["smile", "rest"])
    assert 0 <= metrics["summary"]["pooled"]["uf1"]["mean"] <= 1
    page = (results / "report" / "index.html").read_text()
    assert "my_cnn" in page and "3 clips in none" in page and "no class in smiles (surprise)" in page
    meta = read_metadata(next((results / "experiments" / "mine").rglob("model.safetensors")))
    assert meta["model"] == "my_cnn" and meta["origin"]["plugins"]["files"] == ["my_cnn.py", "my_flow.py"]
    assert str(finished) not in json.dumps(meta), "a checkpoint is the same wherever it was made"


@pytest.mark.usefixtures("unplugged")
def test_the_configuration_of_the_page_adds_its_experiment(finished, monkeypatch):
    monkeypatch.chdir(finished / "mine")
    (block,) = pages.blocks(PAGE, "yaml")
    added, default = yaml.safe_load(block.text), yaml.safe_load((ROOT / "config.yaml").read_text())
    both = {**default, **added, "experiments": default["experiments"] | added["experiments"]}
    config = parse(both)
    assert config.experiments["my_cnn"].train.epochs == 60 and set(config.experiments) > {"my_cnn", "svm_flow"}
    assert pages.commands(PAGE)[2].endswith("--configfile config.yaml mine.yaml")


def test_a_second_run_does_nothing_nor_does_a_comment(finished):
    assert "Nothing to be done" in snakemake(finished)
    edit(finished / "mine" / "my_cnn.py", "def build(", "# A comment.\ndef build(")
    assert planned(finished) == set()


def test_editing_the_model_runs_fits_and_what_follows(finished):
    flow = next((finished / "results" / "faces" / "flow" / "mine").glob("*.h5"))
    before = flow.stat().st_mtime_ns
    edit(finished / "mine" / "my_cnn.py", "nn.MaxPool2d(2)", "nn.AvgPool2d(2)")
    assert planned(finished) == {"fit_mine_0", "predict_mine_0", "score", "report"}
    snakemake(finished)
    assert flow.stat().st_mtime_ns == before and planned(finished) == set()


def test_editing_the_method_runs_it_and_what_follows(finished):
    edit(finished / "mine" / "my_flow.py", "first + second) / 2", "second + first) / 2")
    assert planned(finished) == {"flow", "exclusions", "fit_mine_0", "predict_mine_0", "score", "report"}
    edit(finished / "mine" / "my_flow.py", "second + first) / 2", "first + second) / 2")


def test_new_clips_are_named_once_the_plugins_are(finished):
    clips = finished / "results" / "faces" / "simulate" / "recordings"
    code = "import sys; sys.argv[0] = 'mer'; from mer.cli import main; main()"
    given = ["predict", "results/experiments/mine", "--clips", str(clips)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def mer(*arguments):
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=finished, capture_output=True, text=True, env=environment)

    without = mer(*given)
    assert without.returncode == 2 and without.stderr.count("\n") == 1
    assert "name the plug-ins: mer --plugin my_cnn.py --plugin my_flow.py predict" in without.stderr
    done = mer("--plugin", "mine/my_cnn.py", "--plugin", "mine/my_flow.py", *given)
    assert done.returncode == 0, done.stderr
    assert "has changed" not in done.stderr
    lines = (finished / "predictions.csv").read_text().splitlines()
    assert len(lines) == 1 + len(list(clips.iterdir()))


def test_a_plugin_that_is_wrong_stops_everything_before_a_job(finished):
    kept = (finished / "mine" / "my_cnn.py").read_text()
    edit(finished / "mine" / "my_cnn.py", "MODEL = network(", "MODEL = nothing(")
    text = snakemake(finished, check=False)
    (line,) = [line for line in text.splitlines() if line.startswith("mer: ")]
    assert "my_cnn.py: does not import: NameError: name 'nothing' is not defined" in line
    assert "Traceback" not in text and "rule " not in text
    (finished / "mine" / "my_cnn.py").write_text(kept)


def test_a_method_that_fails_is_one_line_of_its_job(finished):
    kept = (finished / "mine" / "my_flow.py").read_text()
    edit(finished / "mine" / "my_flow.py", "    down, right =", "    first[0, 999]\n    down, right =")
    text = snakemake(finished, "--until", "flow", check=False)
    (finished / "mine" / "my_flow.py").write_text(kept)
    found = "method my_flow of flow, clip"
    assert found in text and "raises IndexError" in text and "my_flow.py line" in text
