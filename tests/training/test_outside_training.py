"""Recognition with weights from outside, and a head on a trunk that learned to spot: clean, refused or doubted."""

import csv
import json

import numpy as np
import pytest
from conftest import CLASSES, sample

from mer.core.container import ContainerWriter
from mer.core.errors import ConfigError, ModelError
from mer.core.sample import subject_key
from mer.datasets.views import view_of
from mer.models.mean_softnet import MODEL
from mer.models.state import State
from mer.planning.outside import recognition_weights, trunks
from mer.testing.keras_files import write_keras
from mer.testing.plain_face import landmarks
from mer.training.checkpoint import load_checkpoint, read_metadata, save_checkpoint
from mer.training.experiment import checked
from mer.training.fold_tables import write_table
from mer.training.folds import loso, select
from mer.training.many_folds import fit_folds
from mer.training.predict import predict_fold
from mer.training.recipe import Recipe, Settled
from mer.training.score import score_experiment
from mer.training.separation import FoldJob
from mer.weights.keras import read_keras
from mer.weights.per_fold import WeightFiles

PEOPLE = ("sub01", "sub02", "sub03")
GROUPS = tuple(f"casme2:{name}" for name in PEOPLE)
WHERE = "c.yaml: experiments.x.train.weights"


class Small:
    """Three persons of six clips, and files of weights."""

    def __init__(self, root):
        self.root, rng = root, np.random.default_rng(0)
        rows = [sample(name, f"c{k}", CLASSES[k % 3]) for name in PEOPLE for k in range(6)]
        self.folds = loso(select({"casme2": rows}, view_of("emotion_3"), CLASSES).rows)
        for name in PEOPLE:
            own = [row for row in rows if row.subject == name]
            with ContainerWriter(root / f"casme2/{subject_key(own[0])}.h5", "flow", "apex", {"method": "tvl1"}) as out:
                for row in own:
                    flow = rng.normal(size=(1, 2, 64, 64)).astype(np.float32)
                    flow[:, :, 20:40] += CLASSES.index(row.emotion_norm)
                    with out.clip(row.sample_id) as clip:
                        clip.write("flow", flow)
                        clip.write("strain", np.hypot(flow[:, 0], flow[:, 1]))
                        clip.write("landmarks", landmarks(64)[None].astype(np.float32))
        for number in (1, 2, 3):
            write_keras(root / f"r{number}.hdf5", "recog", seed=number)
            self.trunk(number)

    def trunk(self, number, **changes):
        """Write the checkpoint of a spotting experiment's fold that left person `number` out."""
        write_keras(self.root / f"s{number}.hdf5", "spot", seed=number)
        arrays = {**read_keras(self.root / f"s{number}.hdf5", "spot"), "scale": np.ones(3, np.float32)}
        fold = f"casme2-sub{number:02d}"
        told = {
            "model": "spotting mean", "preset": "ref", "settings": {}, "classes": [], "inputs": {}, "seed": 0,
            "fold": fold, "held_out": [GROUPS[number - 1]],
            "train_groups": [group for group in GROUPS if group != GROUPS[number - 1]],
        }  # fmt: skip
        state = State({f"micro.spot.{name}": array for name, array in arrays.items()}, {"kinds": {"micro": {}}})
        save_checkpoint(self.root / "spotting" / fold / "model.safetensors", state, told | changes)

    def containers(self, sources):
        return {"motion": {source: self.root / f"{source}.h5" for source in sources}}

    def blocks(self, **entries):
        named = {k: v.replace("@", str(self.root)) if isinstance(v, str) else v for k, v in entries.items()}
        settled = Settled("published", MODEL.presets["published"])
        return recognition_weights(WeightFiles(**named), self.folds, CLASSES, WHERE, "mean", settled)

    def run(self, folder, lines=None, epochs=None, **options):
        """Fit and predict every fold as the workflow does; return the experiment's scores."""
        recipe = Recipe(epochs=epochs, trunk="spotting/x" if "trunks" in options else None)
        if "weights" in options:
            recipe = Recipe(weights=WeightFiles(recog="r.hdf5"))
        experiment = checked("mean", "published", recipe, CLASSES, 0, **options)
        log = (lambda line: lines.append(line)) if lines is not None else (lambda line: None)
        inputs = {"predictions": [], "excluded": [], "tests": [], "models": []}
        for fold in self.folds:
            base = self.root / folder / fold.name
            write_table(base / "train.csv", fold.train)
            write_table(base / "test.csv", fold.test)
            job = FoldJob(fold.name, fold.held_out, base / "train.csv", base / "model.safetensors")
            fit_folds(experiment, [job], self.containers(fold.train_sources), log=lambda name: log)
            outs = [base / "predictions.csv", base / "excluded.csv"]
            test = self.containers(fold.test_sources)
            predict_fold(experiment, fold.name, job.out, base / "test.csv", test, outs, log)
            for key, path in zip(inputs, (*outs, base / "test.csv", job.out), strict=True):
                inputs[key].append(path)
        return score_experiment(inputs, self.root / folder / "metrics.json", classes=CLASSES, draws=100)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Small(tmp_path_factory.mktemp("outside"))


def predictions(small, folder, fold):
    with open(small.root / folder / fold / "predictions.csv", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_published_files_recognise_without_training(small):
    lines = []
    weights = small.blocks(recog="@/r{number}.hdf5", left_out=GROUPS)
    result = small.run("keras", lines, weights=weights)
    assert result["weights"]["persons"] == "known" and not any("leak-proof" in flag for flag in result["flags"])
    assert any("nothing trained; r2.hdf5, sha256" in line for line in lines)
    state, meta = load_checkpoint(small.root / "keras" / "casme2-sub02" / "model.safetensors")
    assert meta["train_groups"] == [GROUPS[0], GROUPS[2]] and meta["n_train"] == 0
    assert meta["inputs"]["motion"]["parameters"] == {"method": "tvl1"}
    held = read_keras(small.root / "r2.hdf5", "recog", 3)
    assert all(np.array_equal(state.arrays[name], held[name]) for name in held)
    assert len(predictions(small, "keras", "casme2-sub02")) == 6


def test_clips_of_a_person_whom_no_file_left_out_are_excluded_with_the_reason(small):
    weights = small.blocks(recog="@/r{number}.hdf5", left_out=(*GROUPS[:2], "casme2:sub09"))
    result = small.run("refused", weights=weights)
    assert result["n_clips"] == 12 and result["weights"]["folds_without"] == 1
    assert {row["reason"] for row in result["excluded"]} == {
        "no file left casme2:sub03 out of all of its training (specs/mean-softnet.md D2, §5.5)"
    }
    assert any("1 folds without weights" in flag for flag in result["flags"])
    with pytest.raises(ConfigError, match=r"weights.recog: no fold has a file: no file left casme2:sub01"):
        small.blocks(recog="@/r{number}.hdf5", left_out=("a:b", "a:c"))


def test_unknown_persons_are_said_plainly(small):
    lines = []
    result = small.run("unknown", lines, weights=small.blocks(recog="@/r1.hdf5"))
    assert result["weights"]["persons"] == "unknown"
    assert "not leak-proof: nobody knows whom the weights were trained on: r1.hdf5" in result["flags"]
    assert any("not leak-proof" in line for line in lines)


def test_the_head_learns_on_the_trunk_of_the_fold_and_the_trunk_stays(small):
    places = trunks(small.folds, small.folds, small.root / "spotting", WHERE)
    result = small.run("transfer", trunks=places, epochs=3)
    assert "weights" not in result
    for number, fold in enumerate(small.folds, start=1):
        state, meta = load_checkpoint(small.root / "transfer" / fold.name / "model.safetensors")
        spot = read_keras(small.root / f"s{number}.hdf5", "spot")
        for name in (name for name in spot if name.startswith("trunk.") and "num_batches" not in name):
            assert np.array_equal(state.arrays[name], spot[name]), name
        assert meta["trunk"]["file"] == places[fold.name] and len(meta["trunk"]["sha256"]) == 64
        assert meta["train_groups"] == [group for group in GROUPS if group != fold.held_out[0]]
    heads = [load_checkpoint(small.root / "transfer" / fold.name / "model.safetensors")[0] for fold in small.folds]
    assert not np.array_equal(heads[0].arrays["recog.out.weight"], heads[1].arrays["recog.out.weight"])
    first = (small.root / "transfer" / "casme2-sub01" / "model.safetensors").read_bytes()
    small.run("transfer", trunks=places, epochs=3)
    assert (small.root / "transfer" / "casme2-sub01" / "model.safetensors").read_bytes() == first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_groups": list(GROUPS)}, "was trained on casme2:sub01, whom the fold holds out"),
        ({"fold": "casme2-sub02"}, "a model of spotting mean, fold casme2-sub02; expected spotting mean, fold"),
        ({"model": "spotting softnet"}, "a model of spotting softnet"),
    ],
)
def test_a_trunk_that_saw_the_person_is_refused(small, changes, message):
    places = trunks(small.folds, small.folds, small.root / "spotting", WHERE)
    small.trunk(1, **changes)
    try:
        with pytest.raises(ModelError, match=message):
            small.run("leak", trunks=places, epochs=1)
    finally:
        small.trunk(1)


def test_a_trunk_of_unknown_persons_makes_the_score_say_so(small):
    places = trunks(small.folds, small.folds, small.root / "spotting", WHERE)
    told = {"files": ["x.hdf5, sha256 0"], "persons": "unknown", "refused": ""}
    small.trunk(2, weights=told)
    try:
        result = small.run("doubt", trunks=places, epochs=1)
    finally:
        small.trunk(2)
    assert "not leak-proof: nobody knows whom the weights were trained on: x.hdf5" in result["flags"]


def test_a_person_without_a_whole_recording_is_one_line(small):
    from mer.core.errors import DatasetError

    with pytest.raises(DatasetError, match="the spotting experiment has no fold of casme2-sub03: no whole recording"):
        trunks(small.folds, small.folds[:2], small.root / "spotting", WHERE)


def test_checkpoints_of_an_earlier_run_are_taken_as_they_are(small):
    places = trunks(small.folds, small.folds, small.root / "spotting", WHERE)
    small.run("first", trunks=places)
    told = WeightFiles(checkpoint=f"{small.root}/first/{{fold}}/model.safetensors")
    given = CLASSES, WHERE, "mean", Settled("published", MODEL.presets["published"])
    blocks = recognition_weights(told, small.folds, *given)
    experiment = checked("mean", "published", Recipe(weights=told), CLASSES, 0, weights=blocks)
    for fold in small.folds:
        base = small.root / "again" / fold.name
        write_table(base / "train.csv", fold.train)
        write_table(base / "test.csv", fold.test)
        job = FoldJob(fold.name, fold.held_out, base / "train.csv", base / "model.safetensors")
        fit_folds(experiment, [job], small.containers(fold.train_sources), log=lambda name: lambda line: None)
        outs = [base / "predictions.csv", base / "excluded.csv"]
        predict_fold(experiment, fold.name, job.out, base / "test.csv", small.containers(fold.test_sources), outs)
        assert predictions(small, "again", fold.name) == predictions(small, "first", fold.name)
    with pytest.raises(ModelError, match="was trained on casme2:sub01, whom the fold holds out"):
        one = WeightFiles(checkpoint=f"{small.root}/first/casme2-sub02/model.safetensors")
        recognition_weights(one, small.folds, *given)
    other = MODEL.presets["published"].model_copy(update={"epochs": 7})
    with pytest.raises(ModelError, match="trained with epochs 100; expected epochs 7"):
        recognition_weights(told, small.folds, *given[:3], Settled("published", other))
    meta = read_metadata(small.root / "again" / "casme2-sub01" / "model.safetensors")
    assert meta["weights"]["from_fold"] == "casme2-sub01" and json.dumps(meta)


def test_published_without_a_trunk_and_other_presets_with_one_are_refused():
    with pytest.raises(ConfigError, match=r"experiment.train.trunk: preset published trains its head .* preset joint"):
        checked("mean", "published", Recipe(), CLASSES, 0)
    with pytest.raises(ConfigError, match=r"train.trunk: bad value .*only the preset published takes a trunk"):
        checked("mean", "joint", Recipe(trunk="spotting/x"), CLASSES, 0)
    assert checked("mean", "joint", Recipe(), CLASSES, 0).settings.steps == "joint"
