"""What other code is given: whole folders with an index, and the layout of the MEGC2019 flow images read back."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import mer
from mer.cli import app
from mer.core.container import Container
from mer.core.errors import ConfigError, ContainerError, StorageError
from mer.core.images import read_image
from mer.core.video import iterate, probe
from mer.datasets.flow_images import READER
from mer.models.flow_image import flow_image
from mer.notebook.flow_image_files import published
from mer.stages.flow import published as published_flow

pytestmark = pytest.mark.slow
CLIP = "sub01/EP02_01f"


def table(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_npz_holds_every_array_and_the_index_says_whose(run, tmp_path):
    out = run.export("rois/boxes", "npz", tmp_path / "rois")
    rows = table(out / "index.csv")
    assert len(rows) == 12 and rows[0]["file"] == f"casme2/{CLIP}.npz" and rows[0]["label"] == ""
    with np.load(out / rows[0]["file"], allow_pickle=False) as arrays:
        clip = run.clip(CLIP)["rois/boxes"]
        assert set(arrays) == set(clip)
        for name in clip:
            np.testing.assert_array_equal(arrays[name], clip[name])
    assert (rows[0]["onset"], rows[0]["fps"], rows[0]["group"]) == (
        str(clip.attributes["onset"]), "200.0", "casme2:sub01",
    )  # fmt: skip
    record = json.loads((out / "export.json").read_text())
    assert [step["product"] for step in record["chain"]] == ["frames", "align/face", "flow/micro", "rois/boxes"]


def test_labels_and_folds_are_those_of_the_experiment(run, tmp_path):
    out = run.export("flow/apex", "npz", tmp_path / "flow", experiment="ststnet", array="flow_strain")
    _, y, _ = run.arrays("flow/apex", experiment="ststnet", size=4)
    rows = table(out / "index.csv")
    assert [(row["dataset"], row["sample_id"], row["label"]) for row in rows] == [
        (*key, label) for key, label in y.items()
    ]
    assert {row["fold"] for row in rows if row["subject"] == "sub02"} == {"casme2-sub02"}
    with np.load(out / rows[0]["file"]) as arrays:
        assert list(arrays) == ["flow_strain"] and arrays["flow_strain"].shape == (3, 96, 96)


def test_pictures_and_videos_are_the_frames(run, tmp_path):
    frames = run.clip(CLIP)["magnify/three"]["frames"][0]
    pictures = run.export("magnify/three", "png", tmp_path / "pictures", data="casme2")
    for number, frame in enumerate(frames, 1):
        np.testing.assert_array_equal(read_image(pictures / "casme2" / CLIP / f"{number:03d}.png"), frame)
    videos = run.export("magnify/three", "mp4", tmp_path / "videos", data="casme2", fps=50)
    path = videos / table(videos / "index.csv")[0]["file"]
    assert probe(path).fps == 50 and (probe(path).width, probe(path).height) == (96, 96)
    shown = np.stack([image for _, _, image in iterate(path)])
    assert shown.shape == frames.shape and np.abs(shown.astype(int) - frames).mean() < 4


def test_flow_images_are_read_back_within_eight_bits(run, tmp_path):
    out = run.export("flow/apex", "flow-images", tmp_path / "composite", view="megc2019", data="casme2")
    reading = READER.read(out, READER.options(), True)
    _, y, groups = run.arrays("flow/apex", view="megc2019", data="casme2", size=4)
    assert [problem for problem in reading.problems if problem.severity == "error"] == []
    back = {(row.dataset, row.sample_id): row for row in reading.samples}
    assert {key: row.emotion_3 for key, row in back.items()} == dict(y.items())
    assert {key: row.group for key, row in back.items()} == dict(groups.items())
    for (_, sample), row in back.items():
        with Container(run.clip(sample).paths["flow/apex"]) as box:
            image = flow_image({"motion": box.clip(sample)}, 28)
        flow, strain = published_flow.decode(
            published_flow.read(out / row.media_path), published_flow.Params(centre="none")
        )
        low, high = (f(image, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
        np.testing.assert_allclose(
            np.concatenate([flow, strain[None]]), (image - low) / (high - low), atol=0.5 / 255 + 1e-6
        )


def test_the_fold_tree_holds_out_one_person_each(run, tmp_path):
    out = run.export("flow/apex", "flow-images", tmp_path / "tree", experiment="svm_flow")
    names = {path.name for path in (out / "STSNet_whole_norm_u_v_os").iterdir()}
    _, y, groups = run.arrays("flow/apex", experiment="svm_flow", size=4)
    assert len(names) == 18
    people = sorted(path.name for path in (out / "three_norm_u_v_os").iterdir())
    assert people == sorted(group.partition(":")[2] for group in groups.unique())
    for person in people:
        tested = {
            path.name: path.parent.name for path in (out / "three_norm_u_v_os" / person / "u_test").rglob("*.png")
        }
        trained = {path.name for path in (out / "three_norm_u_v_os" / person / "u_train").rglob("*.png")}
        assert all(name.startswith(f"{person}_") and name.endswith(" .png") for name in tested)
        assert trained == names - set(tested)
    codes = {row["imagename"]: row["label"] for row in table(out / "combined_3_class2_for_optical_flow.csv")}
    assert codes[f"{CLIP.replace('/', '_')} .png"] == str(list(y.cat.categories).index(y[("casme2", CLIP)]))


def test_a_channel_without_motion_is_black():
    image = np.zeros((3, 4, 4), np.float32)
    image[1, 0, 0], image[1, 3, 3] = -0.2, 0.3
    shown = published(image)
    assert shown.shape == (4, 4, 3) and not shown[..., [0, 2]].any()
    assert (shown[0, 0, 1], shown[3, 3, 1], shown[1, 1, 1]) == (0, 255, 102)


def test_a_place_that_is_taken_is_left_alone(run, tmp_path):
    out = run.export("flow/apex", "npz", tmp_path / "flow")
    before = (out / "index.csv").read_bytes()
    with pytest.raises(StorageError, match=r"exists already.* replace it with --force"):
        run.export("flow/apex", "npz", out)
    run.export("flow/apex", "npz", out, data="samm", force=True)
    assert (out / "index.csv").read_bytes() != before and not (out / "casme2").exists()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match="is no earlier export, so it is not replaced"):
        run.export("flow/apex", "npz", theirs, force=True)
    assert (theirs / "thesis.txt").read_text() == "years of work"


def test_an_export_that_fails_leaves_nothing(run, tmp_path):
    for ask, message in (
        (lambda: run.export("flow/apex", "png", tmp_path / "x"), "flow/apex: has no frames for format png"),
        (lambda: run.export("flow/apex", "jpg", tmp_path / "x"), r"unknown format 'jpg'; .*did you mean 'png'|valid"),
        (lambda: run.export("interpolate/ten", "flow-images", tmp_path / "x", view="emotion_3"), "has no array 'flow'"),
        (lambda: run.export("flow/apex", "mp4", tmp_path / "x", array="flow"), "array 'flow' with format mp4"),
        (lambda: run.export("flow/apex", "npz", tmp_path / "x", array="frames"), "has no array 'frames'"),
        (lambda: run.export("flow/apex", "npz", tmp_path / "x", experiment="stsnet"), "no experiment 'stsnet'"),
    ):
        with pytest.raises((ConfigError, ContainerError), match=message):
            ask()
        assert list(tmp_path.iterdir()) == []


def test_the_command_is_the_same(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    asked = ["export", "flow/apex", "--experiment", "ststnet", "--output", str(tmp_path / "flow"), "--array", "flow"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert result.output.strip() == f"wrote {tmp_path / 'flow'}"
    by_hand = mer.open().export("flow/apex", "npz", tmp_path / "same", experiment="ststnet", array="flow")
    for path in by_hand.rglob("*"):
        if path.is_file():
            assert (tmp_path / "flow" / path.relative_to(by_hand)).read_bytes() == path.read_bytes()
