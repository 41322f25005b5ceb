"""Action units as labels: who sees them, what the region detector learns, and what is called an oracle."""

import dataclasses

import numpy as np
import pytest

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ConfigError, ModelError
from mer.core.sample import ActionUnit, Sample
from mer.datasets.views import view_of
from mer.models import dual_branch_msmh as msmh
from mer.models import dual_branch_regions as regions
from mer.stages.rois.regions import TABLES
from mer.training.experiment import checked
from mer.training.fit import fit_fold
from mer.training.fold_tables import Row, read_table, write_table
from mer.training.folds import make_folds, select
from mer.training.recipe import Recipe
from mer.training.score import score_experiment
from mer.training.separation import FoldJob

CLASSES = ("negative", "positive", "surprise")
REGIONS = tuple(TABLES["dual_branch"])
TABLE = regions.Table(REGIONS, tuple(frozenset(region.aus) for region in TABLES["dual_branch"].values()))
TINY = msmh.PRESETS["small"].model_copy(
    update={"size": 16, "frames": 6, "view": "frames", "epochs": 8, "augment": False, "learning_rate": 3e-3}
)


def sample(subject, clip, label, units=(), raw=None, notes=()):
    return Sample(
        dataset="casme2",
        subject=subject,
        group=f"casme2:{subject}",
        sample_id=f"{subject}_{clip}",
        video_id=clip,
        media_path=clip,
        emotion_norm=label,
        aus=tuple(ActionUnit(number) for number in units),
        au_raw="+".join(map(str, units)) if raw is None else raw,
        au_notes=notes,
    )


def rows():
    """Return two persons with every class; one clip uncoded, one coded without any unit, one illegible."""
    cells = [
        ((12, 6), None, ()),
        ((), "0", ()),
        ((), "", ()),
        ((4,), None, ()),
        ((), "??", ("unread: ??",)),
        ((1, 2), None, ()),
    ]
    samples = [
        sample(person, f"c{i}", ("happiness", "disgust", "surprise")[i % 3], *cell)
        for person in ("a", "b")
        for i, cell in enumerate(cells)
    ]
    return select({"mine": samples}, view_of("emotion_3"), CLASSES).rows


def test_training_tables_name_units_and_test_tables_hide_them(tmp_path):
    assert [row.units for row in rows()[:6]] == ["6+12", "0", "", "4", "", "1+2"]
    for labels in ("true", "permuted"):
        fold = make_folds(rows(), "loso", 2, labels, 0)[0]
        assert [row.units for row in fold.train] == ["6+12", "0", "", "4", "", "1+2"]
        assert {row.units for row in fold.test} == {""}
    told = make_folds(rows(), "loso", 2, "true", 0, oracle=True)[0]
    assert [row.units for row in told.test] == [row.units for row in told.train]
    write_table(tmp_path / "train.csv", fold.train)
    back = read_table(tmp_path / "train.csv")
    assert [row.unit_numbers for row in back] == [(6, 12), (), None, (4,), None, (1, 2)]


def test_tables_without_units_are_read_and_damaged_units_refused(tmp_path):
    path = tmp_path / "t.csv"
    head = "sample_id,dataset,subject,group,label,source"
    path.write_text(f"{head}\nc,casme2,a,casme2:a,positive,mine/a\n")
    assert read_table(path)[0].unit_numbers is None
    path.write_text(f"{head},units\nc,casme2,a,casme2:a,positive,mine/a,R12?\n")
    with pytest.raises(ModelError, match=r"units 'R12\?' of clip c; expected action units as in 1\+2\+4"):
        read_table(path)


def faces(n, seed, noise=0.5):
    """Return grids (n, 5, 8) in which a region's first value follows its action units, and those units."""
    rng = np.random.default_rng(seed)
    kinds = [(12,), (1, 2), (4, 7), (6,), ()]
    units = [kinds[i % 5] for i in range(n)]
    grids = rng.normal(0, noise, (n, 5, 8))
    grids[:, :4, 0] += 3 * shown(units)[:, :4]
    return grids, units


def shown(units):
    return np.stack([TABLE.shown(coded) for coded in units])


def true_regions(units):
    return np.array([REGIONS.index(TABLE.region_of(coded)) for coded in units])


def test_detector_finds_regions_of_persons_it_did_not_see():
    grids, units = faces(120, 0)
    detector = regions.train_detector(grids, shown(units))
    fresh, truth = faces(60, 1)
    found = detector.regions(fresh)
    assert np.mean(found == true_regions(truth)) > 0.9
    assert np.array_equal(detector.regions(fresh[7:8]), found[7:8])


def test_training_regions_come_from_other_persons():
    # Every person has values of its own that give its units away; to anyone else they mean nothing.
    rng = np.random.default_rng(0)
    units = [[(12,), (1, 2), (4, 7), (6,)][i] for i in rng.integers(0, 4, 60)]
    groups = np.array([f"p{i // 10}" for i in range(60)])
    grids = np.zeros((60, 5, 60))
    grids[np.arange(60), :, np.arange(60)] = 30.0
    detector, found, agreed = regions.predicted_regions(grids, shown(units), groups, 0)
    truth = true_regions(units)
    assert np.mean(detector.regions(grids) == truth) > 0.9 and agreed < 0.6
    assert agreed == pytest.approx(np.mean(found == truth))


def test_uncoded_clips_teach_the_detector_nothing_and_still_get_a_region():
    grids, units = faces(50, 2)
    coded = regions.train_detector(grids, shown(units))
    more = np.concatenate([grids, np.full((10, 5, 8), 9.0)])
    both = regions.train_detector(more, shown([*units, *[None] * 10]))
    assert np.array_equal(coded.weights, both.weights) and np.array_equal(coded.centre, both.centre)
    _, found, _ = regions.predicted_regions(more, shown([*units, *[None] * 10]), np.array(["a", "b"] * 30), 0)
    assert found.shape == (60,) and set(found) <= set(range(5))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Return clips whose one changing region tells units and class, the units, and the labels."""
    folder, rng = tmp_path_factory.mktemp("units"), np.random.default_rng(0)
    labels = np.arange(36) % 3
    units = [[(12,), (1, 2), (6,)][label] for label in labels]
    with ContainerWriter(folder / "a.h5", "align") as faces, ContainerWriter(folder / "r.h5", "rois") as cuts:
        for i, coded in enumerate(units):
            patches = np.full((6, 5, 16, 16, 3), 100.0) + rng.integers(-3, 3, (6, 5, 16, 16, 3))
            patches[:, REGIONS.index(TABLE.region_of(coded))] += (20 * np.arange(6) * (labels[i] - 1 or 0.5))[
                :, None, None, None
            ]
            for out, name, array in ((faces, "frames", np.zeros((6, 32, 32, 3), np.uint8)), (cuts, "patches", patches)):
                with out.clip(f"c{i:02}") as clip:
                    clip.write(name, np.clip(array, 0, 255).astype(np.uint8))
                    clip.attributes({"onset": 0, "apex": 5, "offset": 5})
                    if name == "patches":
                        clip.write("names", np.array(REGIONS))
                        clip.write("units", np.array(["+".join(map(str, sorted(shows))) for shows in TABLE.units]))
    pairs = zip(Container(folder / "a.h5"), Container(folder / "r.h5"), strict=True)
    return [{"clip": a, "regions": b} for a, b in pairs], units, labels


def test_annotated_units_choose_the_region_and_an_uncoded_clip_has_the_face(clips):
    preset = TINY.model_copy(update={"regions": "annotation"})
    for units, region in (((6, 12), "mouth"), ((1, 2), "eyebrows"), ((38,), "face"), (None, "face")):
        seen = msmh.features(clips[0][0], preset, units)["region"]
        same = msmh.features(clips[0][0], TINY.model_copy(update={"region": region}))["region"]
        assert np.array_equal(seen, same)


def test_only_listed_units_choose_a_region(clips):
    listed = TINY.model_copy(update={"regions": "annotation", "units": (1, 2, 6)})
    for units, region in (((12,), "face"), ((6, 12), "cheeks"), ((1, 4), "eyebrows")):
        seen = msmh.features(clips[0][0], listed, units)["region"]
        assert np.array_equal(seen, msmh.features(clips[0][0], TINY.model_copy(update={"region": region}))["region"])
    predicted = listed.model_copy(update={"regions": "predicted"})
    assert msmh.features(clips[0][0], predicted, (6, 12))["shown"].tolist() == [0, 0, 0, 1, 0]
    assert msmh.features(clips[0][0], predicted)["shown"].tolist() == [-1] * 5


def own_table(folder, units):
    """Return a clip whose product has a table of its own: three regions of one grey each, 50, 100 and 150."""
    with ContainerWriter(folder / "a.h5", "align") as faces, ContainerWriter(folder / "r.h5", "rois") as cuts:
        with faces.clip("c") as clip:
            clip.write("frames", np.zeros((6, 32, 32, 3), np.uint8))
            clip.attributes({"onset": 0, "offset": 5})
        with cuts.clip("c") as clip:
            grey = np.array([50, 100, 150], np.uint8)[:, None, None, None]
            clip.write("patches", np.broadcast_to(grey, (6, 3, 16, 16, 3)).copy())
            clip.write("names", np.array(["chin", "lips", "whole"]))
            clip.write("units", np.array(units))
    return {"clip": Container(folder / "a.h5").clip("c"), "regions": Container(folder / "r.h5").clip("c")}


def test_the_table_of_the_product_chooses(tmp_path):
    clip = own_table(tmp_path, ["17+26", "12+17", ""])
    preset = TINY.model_copy(update={"regions": "annotation"})
    for units, grey in (((17, 12), 50), ((12,), 100), ((4,), 150), (None, 150)):
        region = msmh.features(clip, preset, units)["region"]
        assert region.dtype == np.uint8 and (region == grey).all()
    predicted = msmh.features(clip, TINY.model_copy(update={"regions": "predicted"}), (12,))
    assert predicted["every"].shape[0] == 3 and predicted["shown"].tolist() == [0, 1, 0]


def test_a_table_without_a_last_region_for_the_rest_is_refused(tmp_path):
    clip = own_table(tmp_path, ["17", "12", "4"])
    with pytest.raises(ModelError, match="units of the last region, whole; expected a table whose last region"):
        msmh.features(clip, TINY.model_copy(update={"regions": "annotation"}), (12,))


@pytest.mark.slow
def test_predicted_regions_are_those_of_the_fold_and_predict_needs_no_units(clips):
    pairs, units, labels = clips
    preset = TINY.model_copy(update={"regions": "predicted"})
    each = [msmh.features(pair, preset, coded) for pair, coded in zip(pairs, units, strict=True)]
    x = {name: np.stack([value[name] for value in each]) for name in each[0]}
    assert x["every"].shape == (36, 5, 6, 16, 16, 3) and x["grids"].shape == (36, 5, 72)
    groups = np.array([f"p{i // 3 % 4}" for i in range(36)])
    seen, lines = groups != "p3", []
    part = {name: value[seen] for name, value in x.items()}
    held = {name: value[~seen] for name, value in x.items()} | {"shown": shown([None] * (~seen).sum())}
    coded = [value for value, kept in zip(units, seen, strict=True) if kept]
    state = msmh.MODEL.fit(part, labels[seen], groups[seen], 3, preset, 0, lines.append, units=coded)
    assert state.meta["regions"] == "predicted" and not state.meta["oracle"] and state.meta["regions_agreed"] > 0.9
    scores = msmh.MODEL.predict(state, held)
    assert (scores.argmax(1) == labels[~seen]).mean() > 0.8
    assert np.array_equal(msmh.MODEL.predict(state, {k: v[2:3] for k, v in held.items()})[0], scores[2])
    blind = {**held, "every": held["every"] * 0}
    assert not np.array_equal(msmh.MODEL.predict(state, blind), scores)


def test_no_annotated_units_is_one_line(clips):
    preset = TINY.model_copy(update={"regions": "predicted"})
    x = {"clip": np.zeros((4, 6, 16, 16, 3), np.float32), "shown": shown([None] * 4)}
    for who in ("annotation", "predicted"):
        chosen = preset.model_copy(update={"regions": who})
        with pytest.raises(ModelError) as caught:
            msmh.MODEL.fit(x, np.array([0, 1, 2, 0]), np.array(list("aabb")), 3, chosen, 0, print, units=[None] * 4)
        line = caught.value.line()
        assert "no clip has annotated action units" in line and f"regions: {who}" in line and "\n" not in line


def test_a_preset_without_region_branch_refuses_the_setting():
    with pytest.raises(ConfigError, match="no region branch"):
        checked("dual_branch_msmh", "smic", Recipe(regions="predicted"), CLASSES, 0)


def test_units_of_training_clips_reach_the_detector_of_au_fusion(tmp_path):
    rng, table = np.random.default_rng(0), []
    with ContainerWriter(tmp_path / "m.h5", "rois") as motion, ContainerWriter(tmp_path / "c.h5", "align") as faces:
        for i in range(6):
            with motion.clip(f"c{i}") as clip:
                clip.write("patches", rng.normal(0, 1, (9, 30, 2, 7, 7)).astype(np.float32))
            with faces.clip(f"c{i}") as clip:
                clip.write("frames", rng.integers(0, 255, (4, 32, 32, 3), dtype=np.uint8))
            units = ("1+2", "12", "")[i % 3]
            table.append(Row(f"c{i}", "casme2", "ab"[i % 2], f"casme2:{'ab'[i % 2]}", CLASSES[i % 3], "mine/x", units))
    write_table(tmp_path / "t.csv", table)
    lines = []
    job = FoldJob("z", ("casme2:z",), tmp_path / "t.csv", tmp_path / "o.safetensors")
    containers = {"motion": {"mine/x": tmp_path / "m.h5"}, "clip": {"mine/x": tmp_path / "c.h5"}}
    fit_fold(checked("au_fusion", "small", Recipe(epochs=1), CLASSES, 0), job, containers, lines.append)
    assert "au_fusion: action units of 4 of 6 training clips supervise the detector" in lines


def test_a_score_with_held_out_units_is_called_an_oracle(tmp_path):
    table = [Row(f"c{i}", "casme2", f"p{i}", f"casme2:p{i}", CLASSES[i % 3], f"m/p{i}", "12") for i in range(6)]
    head = "sample_id,dataset,subject,group,fold,seed,label"
    body = [f"{r.sample_id},{r.dataset},{r.subject},{r.group},all,0,{r.label},{r.label}" for r in table]
    (tmp_path / "p.csv").write_text("\n".join([f"{head},prediction", *body]) + "\n")
    (tmp_path / "e.csv").write_text(f"{head},reason\n")
    for name, units in (("oracle", "12"), ("honest", "")):
        write_table(tmp_path / "t.csv", [dataclasses.replace(row, units=units) for row in table])
        out = tmp_path / name / "metrics.json"
        paths = {"predictions": [tmp_path / "p.csv"], "excluded": [tmp_path / "e.csv"], "tests": [tmp_path / "t.csv"]}
        found = score_experiment(paths, out, classes=CLASSES, name=name, draws=100)
        assert found["oracle"] == (name == "oracle")
        assert any(flag.startswith("oracle: ") for flag in found["flags"]) == found["oracle"]
        assert ("oracle AU" in (out.parent / "table.tex").read_text()) == found["oracle"]
