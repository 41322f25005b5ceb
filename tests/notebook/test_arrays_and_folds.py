"""Arrays, folds and data sets of a run: rows are held together by the clip they are of, never by their place."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.svm import SVC

import mer
from mer.core.container import Container, ContainerWriter
from mer.core.errors import ConfigError, ContainerError, ModelError
from mer.models.flow_image import flow_image
from mer.training.fold_tables import read_table

pytestmark = pytest.mark.slow


@pytest.fixture
def lacking(project, tmp_path, monkeypatch):
    """A run whose flow lacks one clip, and that clip."""
    import shutil

    copy = tmp_path / "copied"
    shutil.copytree(project, copy)
    path = copy / "results" / "casme2" / "flow" / "apex" / "casme2-sub02.h5"
    with Container(path) as box:
        kept = {clip.sample_id: ({name: clip.read(name) for name in clip.group}, clip.attributes) for clip in box}
        parameters = box.parameters()
    lost = next(iter(kept))
    with ContainerWriter(path, "flow", "apex", parameters) as out:
        for sample, (arrays, attributes) in kept.items():
            if sample == lost:
                out.fail(sample, "no face")
                continue
            with out.clip(sample) as clip:
                clip.attributes(attributes)
                for name, values in arrays.items():
                    clip.write(name, values)
    return mer.open(copy / "config.yaml"), lost


def test_arrays_are_those_of_the_containers_in_the_order_of_the_keys(run):
    X, y, groups = run.arrays("flow/apex", view="emotion_3", size=28, flat=False)
    assert X.shape == (18, 3, 28, 28) and list(y.index) == sorted(y.index) and y.index.equals(groups.index)
    for place in (0, 7, 17):
        sample = y.index[place][1]
        clip = run.clip(sample)
        with Container(clip.paths["flow/apex"]) as box:
            np.testing.assert_array_equal(X[place], flow_image({"motion": box.clip(sample)}, 28))
        assert (clip.row.emotion_3, clip.row.group) == (y.iloc[place], groups.iloc[place])
    assert list(y.cat.categories) == ["negative", "positive", "surprise"]
    flat = run.arrays("flow/apex", view="emotion_3", size=28)
    np.testing.assert_array_equal(flat.X, X.reshape(18, -1))


@pytest.mark.parametrize(
    ("product", "array", "shape", "dtype"),
    [
        ("flow/apex", None, (3, 96, 96), np.float32),
        ("flow/apex", "strain", (96, 96), np.float32),
        ("interpolate/ten", None, (10, 96, 96, 3), np.uint8),
        ("magnify/three", None, (10, 96, 96, 3), np.uint8),
        ("rois/boxes", None, (1, 6, 2, 28, 28), np.float32),
        ("interpolate/ten", "positions", (10,), np.float64),
    ],
)
def test_the_array_that_is_meant(run, product, array, shape, dtype):
    X, y, _ = run.arrays(product, view="emotion_3", data="casme2", array=array, flat=False)
    assert X.shape == (11, *shape) and X.dtype == dtype and set(y.index.get_level_values("dataset")) == {"casme2"}


def test_shuffled_labels_of_an_experiment_are_its_arrays_labels(project):
    import yaml

    block = yaml.safe_load((project / "config.yaml").read_text())["experiments"]["svm_flow"]
    (project / "permuted.yaml").write_text(
        yaml.safe_dump({"experiments": {"permuted": {**block, "labels": "permuted"}}})
    )
    run = mer.open(project / "config.yaml", project / "permuted.yaml")
    _, true, _ = run.arrays("flow/apex", experiment="svm_flow", size=4)
    X, y, groups = run.arrays("flow/apex", experiment="permuted", size=4)
    assert y.index.equals(true.index) and (y != true).any() and y.value_counts().equals(true.value_counts())
    assert len(list(run.folds("permuted").split(X, y, groups))) == 5


def test_folds_are_the_tables_of_the_run(run, project):
    _, y, groups = run.arrays("flow/apex", experiment="svm_flow", size=4)
    folds = run.folds("svm_flow")
    assert folds.get_n_splits() == folds.get_n_splits(None, y) == len(folds) == 5
    for name, (train, test) in zip(folds.names, folds.split(y=y), strict=True):
        tables = project / "results" / "experiments" / "svm_flow" / "folds" / name
        for part, places in (("train", train), ("test", test)):
            rows = read_table(tables / f"{part}.csv")
            assert [row.key for row in rows] == [y.index[place] for place in places]
            assert [row.label for row in rows] == list(y.iloc[places])
        assert not set(groups.iloc[train]) & set(groups.iloc[test])


def test_scikit_learn_predicts_and_searches_on_them(run):
    X, y, groups = run.arrays("flow/apex", experiment="svm_flow", size=7)
    folds = run.folds("svm_flow")
    p = cross_val_predict(SVC(kernel="linear"), X, y, groups=groups, cv=folds)
    by_hand = np.empty(len(y), object)
    for train, test in folds.split(X, y, groups):
        by_hand[test] = SVC(kernel="linear").fit(X[train], y.iloc[train]).predict(X[test])
    assert list(p) == list(by_hand)
    assert cross_val_predict(LogisticRegression(), X, y, cv=folds, method="predict_proba").shape == (18, 3)
    assert GridSearchCV(SVC(), {"C": [1, 10]}, cv=folds).fit(X, y, groups=groups).best_params_["C"] in (1, 10)


def test_another_order_and_lost_clips_are_split_the_same(lacking):
    run, lost = lacking
    with pytest.warns(UserWarning, match=rf"1 of 18 clips are not in flow/apex, such as {lost} of casme2: no face"):
        X, y, groups = run.arrays("flow/apex", experiment="svm_flow", size=4)
    assert len(X) == 17 and ("casme2", lost) not in y.index
    folds = run.folds("svm_flow")
    order = np.random.default_rng(0).permutation(17)
    straight = [(set(y.index[a]), set(y.index[b])) for a, b in folds.split(X, y, groups)]
    shuffled = y.iloc[order]
    assert straight == [(set(shuffled.index[a]), set(shuffled.index[b])) for a, b in folds.split(y=shuffled)]
    assert sum(len(test) for _, test in straight) == 17
    with pytest.raises(ContainerError, match="the clip was excluded: no face"):
        run.clip(lost)["flow/apex"]
    assert "flow/apex" not in run.clip(lost).products and run.clip(lost).excluded == {"flow/apex": "no face"}


def test_a_fold_without_a_clip_is_left_out_and_counted_so(run):
    X, y, groups = run.arrays("flow/apex", experiment="svm_flow", data="casme2", size=4)
    folds = run.folds("svm_flow")
    assert folds.names_of(X, y) == ["casme2-sub01", "casme2-sub02", "casme2-sub03"]
    assert folds.get_n_splits(X, y, groups) == 3 and len(cross_val_predict(DummyClassifier(), X, y, cv=folds)) == 11


def test_what_cannot_be_aligned_is_refused(run):
    X, y, groups = run.arrays("flow/apex", view="emotion_3", size=4)
    folds = run.folds("svm_flow")
    few = run.folds("ststnet")
    for given, folds_, message in (
        ((X, y.to_numpy(), None), folds, "nothing says which clip a row is; expected y or groups with dataset and"),
        ((X, y, groups.iloc[::-1]), folds, "y and groups are of different clips"),
        ((X, y, groups), few, r"7 of 18 clips are not in the experiment, such as 006/006_1_1 of samm"),
        ((None, pd.concat([y, y]), None), folds, "a clip occurs twice"),
        ((X[:-1], y, groups), folds, "X has 17 rows; expected 18, as y"),
        ((None, y[groups == "samm:006"], None), folds, "no training clip is among the arrays"),
    ):
        with pytest.raises(ModelError, match=message):
            list(folds_.split(*given))


def test_tables_of_another_configuration_are_refused(lacking):
    run, _ = lacking
    table = run.results / "experiments" / "ststnet" / "folds" / "casme2-sub01" / "test.csv"
    table.write_text(table.read_text().replace(",surprise,", ",negative,"))
    for ask in (run.folds, run.predictions, run.scores):
        with pytest.raises(
            ModelError, match=r"test.csv: other clips or labels than this configuration gives; .* run `snake"
        ):
            ask("ststnet")


def test_a_data_set_is_read_one_by_one_by_spawned_workers(run):
    import torch
    from torch.utils.data import DataLoader

    clips = run.dataset("interpolate/ten", experiment="ststnet")
    X, y, _ = run.arrays("interpolate/ten", experiment="ststnet", flat=False)
    assert clips.y.equals(y) and clips.classes == tuple(y.cat.categories)
    frames, label = clips[3]
    assert frames.dtype == torch.float32 and clips.classes[label] == y.iloc[3]
    np.testing.assert_array_equal((frames.numpy() * 255).round().transpose(0, 2, 3, 1), X[3])
    assert pickle.loads(pickle.dumps(clips))[3][1] == label
    kept = run.dataset("interpolate/ten", experiment="ststnet", cache=True)
    assert torch.equal(kept[3][0].zero_() + kept[3][0], frames) and kept[3][1] == label  # what is given away is a copy
    assert len(pickle.dumps(kept)) == len(
        pickle.dumps(run.dataset("interpolate/ten", experiment="ststnet", cache=True))
    )
    loader = DataLoader(clips, batch_size=4, num_workers=1, multiprocessing_context="spawn")
    batches = list(loader)
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.from_numpy(clips.labels))
    assert torch.equal(batches[0][0][3], frames)
    flow, _ = run.dataset("flow/apex", experiment="ststnet", size=28, transform=torch.flatten)[0]
    assert flow.shape == (3 * 28 * 28,)


def test_missing_and_wrong_products_are_one_line(lacking):
    run, _ = lacking
    (run.results / "samm" / "flow" / "apex" / "samm-006.h5").unlink()
    with pytest.raises(
        ContainerError, match=r"samm-006.h5: not made yet; run `snakemake results/samm/flow/apex/samm-006.h5 "
    ):
        run.arrays("flow/apex", view="emotion_3")
    for call, message in (
        (lambda: run.arrays("flow/micro", experiment="svm_flow", data="samm"), "flow/micro: is not made of samm"),
        (lambda: run.arrays("align/face", view="emotion_3", data="casme2"), "interpolate to a fixed number of frames"),
        (lambda: run.arrays("flow/apex", view="emotion_3", data="casme2", array="frames"), "has no array 'frames'"),
        (
            lambda: run.arrays("interpolate/ten", view="emotion_3", data="casme2", array="numbers", size=4),
            "of the array",
        ),
        (lambda: run.arrays("frames", view="emotion_3", data="casme2"), "frames: no usual array"),
        (lambda: run.arrays("flow/apex", view="emotion_5", experiment="ststnet"), "ststnet has view emotion_3"),
    ):
        with pytest.raises((ConfigError, ContainerError), match=message) as caught, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
        assert "\n" not in str(caught.value)


def test_a_clip_is_every_product_as_arrays(run):
    clip = run.clip("sub01/EP02_01f")
    assert clip.products == run.products("casme2") and list(clip) == clip.products
    flow = clip["flow/micro"]
    assert set(flow) == {"flow", "strain", "landmarks", "numbers", "pairs"} and len(flow) == 5
    assert flow.shapes["flow"] == flow["flow"].shape == (1, 2, 96, 96) and "frames" not in flow
    assert flow.attributes["fps"] == 200 and flow.parameters["method"] == "micro"
    assert pickle.loads(pickle.dumps(flow))["flow"].shape == (1, 2, 96, 96)
    with pytest.raises(ContainerError, match=r"no product 'flow/micr'.*did you mean 'flow/micro'"):
        clip["flow/micr"]


def test_the_index_knows_every_row(run):
    table = run.index("casme2")
    assert len(table) == 12 and table.index.is_unique and (table["status"] == "ok").all()
    assert table["apex"].dtype == "Int64" and table["fps"].eq(200).all()
    _, y, _ = run.arrays("flow/apex", view="emotion_3", data="casme2", size=4)
    assert list(table.loc[y.index, "emotion_3"]) == list(y)
    assert list(run.excluded("casme2").columns) == ["dataset", "subject", "sample_id", "stage", "reason"]


def test_a_clip_is_drawn_as_mer_show_draws_it(run, tmp_path):
    from typer.testing import CliRunner

    from mer.cli import app
    from mer.core.images import read_image

    picture = mer.draw(run.clip("sub01/EP02_01f"), only="flow/*", width=700)
    np.testing.assert_array_equal(read_image(picture.save(tmp_path / "clip.png")), picture.pixels)
    assert picture._repr_png_() == (tmp_path / "clip.png").read_bytes()
    asked = ["show", "sub01/EP02_01f", "--dataset", "casme2", "--only", "flow/*", "--width", "700"]
    # A folder of results will do.
    asked += ["--config", str(run.results), "--output", str(tmp_path / "shown.png")]
    assert CliRunner().invoke(app, asked).output == f"wrote {tmp_path / 'shown.png'}\n"
    assert (tmp_path / "shown.png").read_bytes() == picture._repr_png_()


def test_a_clip_of_which_nothing_was_made_is_one_line(run, tmp_path):
    import shutil

    copy = tmp_path / "results"
    (copy / "casme2").mkdir(parents=True)
    for name in ("config.yaml", "casme2/index.csv"):
        shutil.copy(run.results / name, copy / name)
    with pytest.raises(ContainerError, match=r"casme2-sub01.h5: not made yet; run `snakemake results/casme2/rois"):
        mer.draw(mer.open(copy).clip("sub01/EP02_01f", "casme2"))
