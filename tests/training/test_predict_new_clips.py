"""`mer predict` on simulated faces: a checkpoint alone gives what the workflow gave, and every fault is one line."""

import csv
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from mer import __version__
from mer.cli import app
from mer.core.errors import ClipError, DatasetError, ModelError
from mer.core.run_plan import record_plan
from mer.planning import keys
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse
from mer.planning.recognition import PlannedRecognition
from mer.stages.run import StageSpec, run_subject
from mer.training import predict_new
from mer.training.experiment import from_block
from mer.training.fit import fit_fold
from mer.training.fold_tables import write_table
from mer.training.new_clips import estimate_apex, find_clips
from mer.training.predict import predict_fold
from mer.training.predict_new import open_ensemble, run_predict
from mer.training.separation import FoldJob

pytestmark = pytest.mark.slow

CONFIG = {
    "datasets": {
        "faces": {
            "reader": "casme2",
            "simulate": {
                "layout": "casme2", "subjects": 2, "clips": 3, "shortest": 0.06, "longest": 0.08, "width": 240,
                "height": 180,
            },
        }
    },
    "align": {"small": {"method": "dlib", "size": 64}},
    "flow": {"apex": {"from": "align/small", "method": "dis", "pairs": "onset_apex"}},
}  # fmt: skip
NET = {"epochs": 4, "batch_size": 4}


class World:
    """Two simulated subjects, their products, and two experiments trained on them."""

    def __init__(self, root):
        experiment = {"data": ["faces"], "view": "emotion_3", "inputs": {"motion": "flow/apex"}}
        raw = CONFIG | {
            "results": str(root / "results"),
            "experiments": {
                "svm": experiment | {"model": "svm_flow"},
                "net": experiment | {"model": "ststnet", "train": NET},
            },
        }
        self.root, self.catalog = root, Catalog(parse(raw))
        self.faces = self.catalog.root("faces")
        self.make()
        self.train()

    def make(self):
        from mer.planning.catalog import layout_of

        block = self.catalog.config.datasets["faces"]
        layout_of(block).write_tables(block.simulate, self.faces)
        for key in self.catalog.subjects("faces"):
            name = self.catalog.subject_name("faces", key)
            layout_of(block).write_subject(block.simulate, name, self.faces, self.faces / "truth" / f"{key}.h5")
            for step in self.catalog.config.chain("flow/apex"):
                spec = StageSpec(**json.loads(keys.stage_spec(step)))
                rows = json.loads(keys.stage_rows(self.catalog, "faces", key, step))
                source = self.catalog.source("faces", step, key)
                out = self.catalog.product("faces", step.key, key)
                run_subject(spec, rows, out, source, self.faces, lambda line: None)

    def folder(self, experiment):
        return self.root / "results" / "experiments" / experiment

    def train(self):
        for name in self.catalog.config.experiments:
            plan = PlannedRecognition(self.catalog, name)
            experiment = from_block(json.loads(plan.fit_block()), 0, "cpu")
            for fold in plan.folds[:2]:
                base = self.folder(name) / "seed0" / fold.name
                train, test = base / "train.csv", base / "test.csv"
                write_table(train, fold.train)
                write_table(test, fold.test)
                job = FoldJob(fold.name, fold.held_out, train, base / "model.safetensors")
                fit_fold(experiment, job, plan.containers(fold.train_sources), lambda line: None)
                outs = (base / "predictions.csv", base / "excluded.csv")
                predict_fold(experiment, fold.name, job.out, test, plan.containers(fold.test_sources), outs)

    def index(self, path, samples, events=("onset", "apex", "offset")):
        with path.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["clip", *events])
            writer.writerows([s.media_path, *(getattr(s, event) for event in events)] for s in samples)
        return path


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return World(tmp_path_factory.mktemp("new"))


def read(path):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.parametrize("name", ["svm", "net"])
def test_a_checkpoint_alone_repeats_the_workflow(faces, tmp_path, name):
    fold = faces.catalog.folds(name)[0]
    base = faces.folder(name) / "seed0" / fold.name
    held = [row for row in faces.catalog.reading("faces").samples if row.group in fold.held_out and row.status == "ok"]
    index = faces.index(faces.faces / f"{name}.csv", held)
    # Away from every configuration and product: nothing but the file and the frames.
    alone = shutil.copy(base / "model.safetensors", tmp_path / "model.safetensors")
    run_predict(tmp_path / alone, index, tmp_path / "out.csv", lambda line: None)
    new = {row["clip"]: row for row in read(tmp_path / "out.csv")}
    paths = {sample.sample_id: sample.media_path for sample in held}
    for row in read(base / "predictions.csv"):
        own = new[paths[row["sample_id"]]]
        assert own["prediction"] == row["prediction"]
        for column in (key for key in row if key.startswith("score_")):
            assert float(own[column]) == pytest.approx(float(row[column]), rel=1e-5)
        assert (own["onset"], own["apex"], own["offset"]) == ("given", "given", "given")


def test_the_models_of_an_experiment_are_averaged(faces, tmp_path):
    lines = []
    clips = next(path for path in sorted(faces.faces.rglob("*")) if path.is_dir() and any(path.glob("*.jpg")))
    parts = []
    for where in (faces.folder("net"), *sorted(faces.folder("net").rglob("model.safetensors"))):
        run_predict(where, clips, tmp_path / "out.csv", lines.append)
        parts.append(read(tmp_path / "out.csv")[0])
    whole, first, second = parts
    assert (whole["models"], first["models"]) == ("2", "1")
    for key in (key for key in whole if key.startswith("score_")):
        assert float(whole[key]) == pytest.approx((float(first[key]) + float(second[key])) / 2, rel=1e-4)
    assert (whole["onset"], whole["apex"], whole["offset"]) == ("first frame", "estimated", "last frame")
    assert any("the mean of 2 models" in line for line in lines)
    assert any("note: the apex of 1 of 1 clips was estimated" in line for line in lines)
    assert any("note: trained on simulated faces only" in line for line in lines)


def test_a_bad_clip_has_its_reason_and_the_others_an_answer(faces, tmp_path):
    good = next(path for path in sorted(faces.faces.rglob("*")) if path.is_dir() and any(path.glob("*.jpg")))
    shutil.copytree(good, tmp_path / "clips" / "good")
    (tmp_path / "clips" / "short").mkdir()
    for image in sorted(good.glob("*.jpg"))[:2]:
        shutil.copy(image, tmp_path / "clips" / "short")
    result = CliRunner().invoke(
        app, ["predict", str(faces.folder("svm")), "--clips", str(tmp_path / "clips"), "--output",
              str(tmp_path / "out.csv"), "--json"]
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    written = read(tmp_path / "out.csv")
    rows = {row["clip"]: row for row in written}
    told = json.loads(result.stdout)
    assert [{key: "" if cell is None else str(cell) for key, cell in row.items()} for row in told] == written
    assert all(isinstance(cell, float) for key, cell in told[0].items() if key.startswith("score_"))
    assert rows["good"]["prediction"] and not rows["good"]["reason"]
    assert not rows["short"]["prediction"] and "apex unknown" in rows["short"]["reason"]
    with pytest.raises(ModelError, match=r"no clip could be named .*apex unknown"):
        run_predict(faces.folder("svm"), tmp_path / "clips" / "short", tmp_path / "no.csv", lambda line: None)


def changed(path, out, **changes):
    arrays = load_file(path)
    from mer.training.checkpoint import read_metadata

    save_file(arrays, out, {"mer": json.dumps(read_metadata(path) | changes)})
    return out


def test_unusable_models_are_one_line(faces, tmp_path):
    model = next(faces.folder("svm").rglob("model.safetensors"))
    with pytest.raises(ModelError, match=r"a checkpoint of format 2, of mer 9\.9; expected format 1; install that"):
        open_ensemble(changed(model, tmp_path / "a.safetensors", versions={"mer": "9.9"}, format=2))
    with pytest.raises(ModelError, match="does not say how its inputs were made"):
        open_ensemble(changed(model, tmp_path / "b.safetensors", origin={}))
    origin = json.loads(json.dumps(keys.origin(faces.catalog, "svm")))
    origin["chains"]["motion"][1]["method"] = "gone"
    with pytest.raises(ModelError, match="was trained on stage align, method gone"):
        open_ensemble(changed(model, tmp_path / "c.safetensors", origin=origin))
    with pytest.raises(ModelError, match="no such file or folder"):
        open_ensemble(tmp_path / "none")
    empty, mixed = tmp_path / "empty", tmp_path / "mixed"
    empty.mkdir()
    mixed.mkdir()
    with pytest.raises(ModelError, match="holds no model"):
        open_ensemble(empty)
    shutil.copy(model, mixed / "model1.safetensors")
    shutil.copy(next(faces.folder("net").rglob("model.safetensors")), mixed / "model2.safetensors")
    with pytest.raises(ModelError, match=r"has another model than model1\.safetensors"):
        open_ensemble(mixed)


def test_another_version_of_mer_reads_the_model_and_says_what_has_changed(faces, tmp_path, monkeypatch):
    """A version that changed nothing of it says nothing."""
    model = next(faces.folder("svm").rglob("model.safetensors"))
    monkeypatch.setattr(predict_new, "__version__", "9.9")
    assert not [note for note in open_ensemble(model).notes() if "changed" in note]
    origin = json.loads(json.dumps(keys.origin(faces.catalog, "svm"))) | {"model_code": "0" * 16}
    (note,) = (
        n for n in open_ensemble(changed(model, tmp_path / "a.safetensors", origin=origin)).notes() if "code" in n
    )
    assert note == (
        f"the code of model svm_flow has changed since the training, which was with mer {__version__}; this is 9.9"
    )


def test_the_plan_says_which_models_count(faces, tmp_path):
    """After another protocol the models of the first are still there."""
    results = shutil.copytree(faces.root / "results" / "experiments", tmp_path / "experiments").parent
    folder = results / "experiments" / "net"
    one, two = sorted(folder.rglob("model.safetensors"))
    assert len(open_ensemble(folder).paths) == 2
    record_plan(results, {"experiments/net": [two.relative_to(folder).as_posix()]})
    assert open_ensemble(folder).paths == (two,)
    (results / "plan.json").unlink()
    shutil.copytree(one.parent, folder / "seed0" / "part1")
    with pytest.raises(ModelError, match=r"holds out casme2:sub\d+, as .* does: they are folds of different protocols"):
        open_ensemble(folder)


def test_notes_name_what_makes_an_answer_worthless(faces, tmp_path):
    model = next(faces.folder("svm").rglob("model.safetensors"))
    origin = json.loads(json.dumps(keys.origin(faces.catalog, "svm"))) | {"labels": "permuted", "simulated": False}
    origin["chains"]["motion"][2]["code"] = "0" * 16
    notes = open_ensemble(changed(model, tmp_path / "a.safetensors", origin=origin)).notes()
    assert notes == [
        "the code of stage flow, method dis, has changed since the training, "
        f"which was with mer {__version__}; this is {__version__}",
        "trained on permuted labels: its answers mean nothing",
    ]


def test_tables_of_clips(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "img1.jpg").write_bytes(b"x")
    table_ = tmp_path / "index.csv"
    table_.write_text("clip,apex,fps\na,12,200\n")
    root, (clip,) = find_clips(table_)
    assert root == tmp_path and clip.row()["apex"] == 12 and clip.row()["fps"] == 200 and clip.row()["onset"] is None
    for text, message in (
        ("clip\n../a\n", "inside the folder"), ("clip\nb\n", "no file or folder b"), ("clip\n", "lists no clip"),
        ("clip\na\na\n", "lists a clip twice"), ("clip,apex\na,x\n", "apex 'x'"), ("clip,fps\na,-1\n", "fps '-1'"),
    ):  # fmt: skip
        table_.write_text(text)
        with pytest.raises(DatasetError, match=message):
            find_clips(table_)
    table_.write_text("name\na\n")
    with pytest.raises(ModelError, match="lacks the column clip"):
        find_clips(table_)
    (tmp_path / "a" / "img1.jpg").unlink()
    with pytest.raises(DatasetError, match="holds no clip"):
        find_clips(tmp_path / "a")
    with pytest.raises(DatasetError, match="no such file"):
        find_clips(tmp_path / "nothing")


def test_a_given_event_that_is_not_there(faces, tmp_path):
    sample = next(s for s in faces.catalog.reading("faces").samples if s.status == "ok")
    index = faces.faces / "wrong.csv"
    index.write_text(f"clip,apex\n{sample.media_path},99999\n")
    with pytest.raises(ClipError, match="apex 99999 is not among its frames"):
        run_predict(faces.folder("svm"), index, tmp_path / "o.csv", lambda line: None)


def test_an_estimated_apex_is_near_the_peak_of_a_motion():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    for peak in (6, 12, 20):
        course = np.interp(np.arange(30), [0, peak, 29], [0, 1, 0.1])
        waves = [120 + 60 * np.sin(x / 5 + 2 * a * np.exp(-((y - 40) ** 2) / 80)) for a in course]
        noisy = np.clip(np.stack(waves) + rng.normal(0, 2, (30, 64, 64)), 0, 255).astype(np.uint8)
        frames = noisy[..., None].repeat(3, axis=3)
        assert abs(estimate_apex(frames, 0, 29) - peak) <= 3
    assert estimate_apex(frames, 3, 4) is None


def test_a_head_that_drifts_is_no_apex():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:64, :64]
    course = np.interp(np.arange(30), [0, 14, 29], [0, 1, 0])
    waves = [120 + 60 * np.sin((x + t / 15) / 5 + a * np.exp(-((y - 40) ** 2) / 80)) for t, a in enumerate(course)]
    noisy = np.clip(np.stack(waves) + rng.normal(0, 2, (30, 64, 64)), 0, 255).astype(np.uint8)
    assert abs(estimate_apex(noisy[..., None].repeat(3, axis=3), 0, 29) - 14) <= 3
