"""Spotting, naming and scoring with weights from outside: nothing is trained, and nobody is scored by what saw them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from spotting_world import CLASSES, world

from mer.core.container import ContainerWriter
from mer.core.errors import ConfigError, ModelError
from mer.models.mean_softnet_network import Recognition, SoftNet, Spotting
from mer.planning.outside import spotting_weights
from mer.spotting.curves import read_curves
from mer.spotting.evaluate import read_lines, score_task
from mer.spotting.experiment import SpotRecipe, SpottingExperiment
from mer.spotting.fit import fit_folds
from mer.spotting.naming_head import name_majority
from mer.spotting.predict import predict_fold
from mer.spotting.recording_tables import write_videos
from mer.spotting.recordings import Opened
from mer.testing.keras_files import write_keras
from mer.training.checkpoint import read_metadata
from mer.training.folds import loso
from mer.training.separation import FoldJob
from mer.weights.keras import read_keras
from mer.weights.per_fold import WeightFiles

PEOPLE = ("db:s0", "db:s1", "db:s2", "db:s3")


def quiet(line):
    """Take a line of the log."""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    videos, containers = world(root)
    for number in range(1, 5):
        write_keras(root / f"s{number}.hdf5", "spot", seed=number)
        write_keras(root / f"r{number}.hdf5", "recog", seed=number)
        write_keras(root / f"soft{number}.hdf5", "softnet", seed=number)
    crops = {}
    for source in containers:
        crops[source] = root / f"{source.rpartition('/')[2]}-crops.h5"
        with ContainerWriter(crops[source], "align", "v", {}) as out:
            for video in (v for v in videos if v.source == source):
                with out.clip(video.sample_id) as clip:
                    clip.write("numbers", np.arange(240.0))
    return root, videos, {"micro": containers, "micro crops": crops}


def blocks(small, told, model="mean", classes=CLASSES, protocol="ref", videos=None):
    root, known, _ = small
    weights = WeightFiles(**{k: v.replace("@", str(root)) if isinstance(v, str) else v for k, v in told.items()})
    return spotting_weights(
        weights, loso(videos or known), ("micro",), model, protocol, classes, "c: spotting.x.weights"
    )


def run(small, weights, model="mean", classes=CLASSES, protocol="ref", folder="run", log=quiet):
    root, videos, containers = small
    experiment = SpottingExperiment(model, protocol, SpotRecipe(), classes, {"micro": 6}, weights=weights)
    containers = containers if classes else {"micro": containers["micro"]}
    for fold in loso(videos):
        base = root / folder / fold.name
        base.mkdir(parents=True, exist_ok=True)
        write_videos(base / "train.csv", fold.train)
        write_videos(base / "test.csv", fold.test)
        parts = [
            {name: {s: p for s, p in boxes.items() if s in sources} for name, boxes in containers.items()}
            for sources in (fold.train_sources, fold.test_sources)
        ]
        job = FoldJob(fold.name, fold.held_out, base / "train.csv", base / "model.safetensors")
        fit_folds(experiment, [job], parts[0], log=lambda name: log)
        outs = [base / name for name in ("intervals.jsonl", "curves.npz", "excluded.jsonl")]
        predict_fold(experiment, fold.name, job.out, base / "test.csv", parts[1], outs, quiet)
    return experiment, root / folder


def scored(small, folder, classes=CLASSES):
    root, videos, _ = small
    write_videos(root / "recordings.csv", videos)
    folds = [fold.name for fold in loso(videos)]
    inputs = {"recordings": [root / "recordings.csv"]} | {
        key: [folder / fold / name for fold in folds]
        for key, name in (
            ("intervals", "intervals.jsonl"), ("excluded", "excluded.jsonl"), ("models", "model.safetensors"),
        )
    }  # fmt: skip
    outs = [root / name for name in ("metrics.json", "gt.csv", "pred.csv")]
    lines = score_task(inputs, outs, seeds=[0], kinds=["micro"], classes=classes, protocol="ref")
    return json.loads(outs[0].read_text()), lines


def same_as_the_networks(small, folder, number, group):
    """Hold curves and names of a fold against its files; return how many names were compared."""
    root, videos, containers = small
    spot, recog = Spotting().eval(), Recognition(3).eval()
    for network, path in ((spot, root / f"s{number}.hdf5"), (recog, root / f"r{number}.hdf5")):
        arrays = read_keras(path, "spot" if network is spot else "recog", 3)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    curves = {curve.video: curve for curve in read_curves(folder / "curves.npz")}
    named = 0
    with Opened([v for v in videos if v.group == group and v.events], "micro", containers) as opened, torch.no_grad():
        for recording in opened.recordings:
            x = torch.from_numpy(recording.features[()].astype(np.float32))
            smooth = np.convolve(spot(x).double().numpy(), np.ones(12) / 12, "same")
            assert curves[recording.video.sample_id].score == pytest.approx(smooth, abs=1e-5)
            for row in read_lines([folder / "intervals.jsonl"]):
                # Where nothing is found, [0, 0] stands, and no name.
                if row["sample_id"] == recording.video.sample_id and row["offset"]:
                    part = x[max(0, row["apex"] - 7) : max(1, row["apex"] - 1)]
                    share = np.bincount(recog(part).argmax(1).numpy(), minlength=3)
                    assert share[CLASSES.index(row["emotion"])] == share.max()
                    named += 1
    return named


def test_keras_files_spot_name_and_score_without_training(small):
    videos = small[1]
    weights = blocks(small, {"spot": "@/s{number}.hdf5", "recog": "@/r{number}.hdf5", "left_out": PEOPLE})
    assert weights["db-s2"]["kinds"]["micro"]["spot"]["path"].endswith("s3.hdf5")
    lines = []
    _, folder = run(small, weights, log=lines.append)
    assert any("nothing trained; s3.hdf5, sha256" in line for line in lines)
    meta = read_metadata(folder / "db-s2" / "model.safetensors")
    assert meta["train_groups"] == ["db:s0", "db:s1", "db:s3"] and meta["weights"]["persons"] == "known"
    named = 0
    for number, group in enumerate(PEOPLE, start=1):
        named += same_as_the_networks(small, folder / group.replace(":", "-"), number, group)
    assert named
    metrics, said = scored(small, folder)
    assert metrics["weights"]["persons"] == "known" and metrics["flags"] == [] and len(said) == 1
    assert metrics["seeds"]["0"]["tp"] + metrics["seeds"]["0"]["fn"] == sum(len(v.events) for v in videos)


def test_files_of_unknown_persons_say_so_everywhere(small):
    lines = []
    _, folder = run(small, blocks(small, {"spot": "@/soft1.hdf5"}, "softnet", ()), "softnet", (), log=lines.append)
    assert any("not leak-proof" in line for line in lines)
    metrics, said = scored(small, folder, ())
    assert metrics["weights"]["persons"] == "unknown"
    assert metrics["flags"] == ["not leak-proof: nobody knows whom the weights were trained on: soft1.hdf5"]
    assert said[1:] == metrics["flags"]
    assert read_metadata(folder / "db-s0" / "model.safetensors")["weights"]["persons"] == "unknown"
    assert SoftNet().state_dict().keys() == read_keras(small[0] / "soft1.hdf5", "softnet").keys()


def test_a_person_whom_no_file_left_out_stops_the_plan_or_stays_unnamed(small):
    told = {"spot": "@/s{number}.hdf5", "recog": "@/r{number}.hdf5", "left_out": PEOPLE[:3]}
    with pytest.raises(ConfigError, match=r"weights.spot: no file left db:s3 out"):
        blocks(small, told)
    with pytest.raises(ConfigError, match=r"one file for all folds: it was trained on db:s0"):
        blocks(small, {"spot": "@/s1.hdf5", "left_out": PEOPLE}, classes=())
    weights = blocks(small, told | {"left_out": PEOPLE})
    refused = {**weights["db-s3"]["kinds"]["micro"]["recog"], "refused": "no file left db:s3 out", "path": ""}
    weights["db-s3"]["kinds"]["micro"]["recog"] = refused
    _, folder = run(small, weights, folder="unnamed")
    rows = read_lines([folder / "db-s3" / "intervals.jsonl"])
    assert rows and all(row["emotion"] == "" for row in rows)
    metrics, _ = scored(small, folder)
    assert metrics["flags"] == ["1 folds without weights that left their person out: no file left db:s3 out"]


def test_another_file_than_planned_and_two_files_of_two_folds_are_refused(small):
    root = small[0]
    weights = blocks(small, {"spot": "@/s{number}.hdf5", "left_out": PEOPLE}, classes=())
    weights["db-s0"]["kinds"]["micro"]["spot"]["sha256"] = "0" * 64
    with pytest.raises(ModelError, match=r"s1\.hdf5: changed since the run was planned"):
        run(small, weights, classes=(), folder="changed")
    weights = blocks(small, {"spot": "@/s1.hdf5", "recog": "@/r2.hdf5"})
    for block in weights.values():
        block["kinds"]["micro"]["recog"]["classes"] = list(CLASSES)
    with pytest.raises(ModelError, match="its trunk is not that of the spotting file"):
        run(small, weights, folder="mixed")
    (root / "s9.hdf5").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"s9\.hdf5: weight file cannot be read"):
        blocks(small, {"spot": "@/s9.hdf5"}, classes=())


def test_checkpoints_of_an_earlier_run_stand_in_for_training(small):
    _, first = run(small, blocks(small, {"spot": "@/s{number}.hdf5", "left_out": PEOPLE}, classes=()), classes=())
    told = {"checkpoint": f"{first}/{{fold}}/model.safetensors"}
    weights = blocks(small, told, classes=())
    _, again = run(small, weights, classes=(), folder="again")
    for name in ("intervals.jsonl", "curves.npz"):
        assert (again / "db-s1" / name).read_bytes() == (first / "db-s1" / name).read_bytes()
    meta = read_metadata(again / "db-s1" / "model.safetensors")
    assert meta["weights"]["from_fold"] == "db-s1" and meta["train_groups"] == ["db:s0", "db:s2", "db:s3"]
    with pytest.raises(ModelError, match="was trained on db:s0, whom the fold holds out"):
        blocks(small, {"checkpoint": f"{first}/db-s1/model.safetensors"}, classes=())
    with pytest.raises(ModelError, match="trained with preset ref; expected preset fixed"):
        blocks(small, told, classes=(), protocol="fixed")
    with pytest.raises(ConfigError, match=r"weights.checkpoint: no file '.*nowhere/db-s0/model.safetensors'"):
        blocks(small, {"checkpoint": "@/nowhere/{fold}/model.safetensors"}, classes=())
    # A plan is not believed either: the job looks again.
    weights["db-s0"]["checkpoint"] = weights["db-s1"]["checkpoint"]
    with pytest.raises(ModelError, match="was trained on db:s0"):
        run(small, weights, classes=(), folder="wrong")


def test_a_person_without_an_expression_needs_no_file(small):
    videos = [dataclasses.replace(v, events=()) if v.group == "db:s3" else v for v in small[1]]
    weights = blocks(small, {"spot": "@/s{number}.hdf5", "left_out": PEOPLE[:3]}, classes=(), videos=videos)
    assert weights["db-s3"] == {"kinds": {}} and weights["db-s0"]["kinds"]


def test_of_equal_classes_the_one_that_is_met_first_names():
    rows = np.eye(3)[[2, 0, 0, 2, 1]]
    share, winner = name_majority(rows)
    assert winner == 2 and share.tolist() == [0.4, 0.2, 0.4]
