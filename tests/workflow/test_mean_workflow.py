"""The example of MEAN as published, at test size: one fold trained to its end, then all of it with Keras files."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, project_in

from mer.spotting.curves import read_curves
from mer.testing.keras_files import write_keras
from mer.training.checkpoint import read_metadata

pytestmark = pytest.mark.slow
FOLD = "casme_sq-s16"
PEOPLE = ["casme_sq:s15", "casme_sq:s16", "casme_sq:s19"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mean")
    project = project_in(folder, (ROOT / "examples" / "mean.yaml").read_text())

    def small(config):
        config["results"] = "results"
        config["datasets"]["casme_sq"]["simulate"] |= {"subjects": 3, "width": 240, "height": 180, "seconds": 0}
        config["spot"]["tenth"]["size"] = 64
        config["spotting"]["mean"]["train"] = {"epochs": 2, "head_epochs": 2}
        config["experiments"]["mean"]["train"]["epochs"] = 2
        config |= {"bootstrap": 200, "report": {"clips": 1}}

    project.edit(small)
    project.results = folder / "results"
    project.run(
        f"results/spotting/mean/seed0/{FOLD}/intervals.jsonl", f"results/experiments/mean/seed0/{FOLD}/predictions.csv"
    )
    return project


def test_one_fold_of_the_example_spots_recognises_and_is_clean(project):
    with open(project.results / "experiments" / "mean" / "seed0" / FOLD / "predictions.csv") as handle:
        rows = list(csv.DictReader(handle))
    assert rows and {row["group"] for row in rows} == {"casme_sq:s16"}
    meta = read_metadata(project.results / "experiments" / "mean" / "seed0" / FOLD / "model.safetensors")
    assert meta["preset"] == "published" and meta["train_groups"] == ["casme_sq:s15", "casme_sq:s19"]
    assert meta["trunk"]["file"] == f"results/spotting/mean/seed0/{FOLD}/model.safetensors"
    assert read_curves(project.results / "spotting" / "mean" / "seed0" / FOLD / "curves.npz")
    log = (project.results / "logs" / "fit" / "mean" / "seed0" / f"{FOLD}.log").read_text()
    assert "begins with the trunk of" in log


def test_keras_files_run_the_whole_example_without_training(project):
    for number in (1, 2, 3):
        for network in ("spot", "recog"):
            write_keras(project.folder / "keras" / network / f"s{number}.hdf5", network, seed=number)

    def untrained(config):
        del config["spotting"]["mean"]["train"]
        files = {"spot": "keras/spot/s{number}.hdf5", "recog": "keras/recog/s{number}.hdf5", "left_out": PEOPLE}
        config["spotting"]["mean"]["weights"] = files
        config["experiments"]["mean"]["train"] = {"weights": {"recog": "keras/recog/s1.hdf5"}}

    project.edit(untrained)
    planned = project.planned()
    assert planned["spot_fit"] == 3 and "spot" not in planned and "flow" not in planned
    project.run()
    spotting = json.loads((project.results / "spotting" / "mean" / "metrics.json").read_text())
    assert spotting["weights"]["persons"] == "known" and spotting["flags"] == []
    assert spotting["seeds"]["0"]["tp"] + spotting["seeds"]["0"]["fn"] > 0
    metrics = json.loads((project.results / "experiments" / "mean" / "metrics.json").read_text())
    doubt = "not leak-proof: nobody knows whom the weights were trained on: s1.hdf5"
    assert doubt in metrics["flags"] and metrics["n_clips"] > 0
    page = Path(project.results / "report" / "index.html").read_text()
    assert doubt in page and "weights from outside, nothing was trained" in page
    assert "Nothing to be done" in project.run()
    write_keras(project.folder / "keras" / "spot" / "s1.hdf5", "spot", seed=1, head_seed=7)
    again = project.planned()
    assert again["spot_fit"] == 3 and "fit" not in again


def test_the_example_says_what_every_key_of_its_experiments_does():
    text = (ROOT / "examples" / "mean.yaml").read_text()
    config = yaml.safe_load(text)
    assert config["experiments"]["mean"]["preset"] == "published" and "# root: /data/CASME_SQ" in text
    assert config["experiments"]["mean"]["train"] == {"trunk": "spotting/mean"}
