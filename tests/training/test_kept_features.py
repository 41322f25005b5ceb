"""Features of a frozen trunk are computed once per clip and read by every fold: the same arrays, told as before."""

import numpy as np
import pytest

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ModelError
from mer.models import aman
from mer.training import kept_features
from mer.training.fold_tables import Row
from mer.training.gather import gather

SMALL = aman.PRESETS["published"].model_copy(update={"size": 32, "frames": 2})


def row(subject, clip, source):
    return Row(clip, "casme2", subject, f"casme2:{subject}", "positive", source)


@pytest.fixture
def world(tmp_path):
    """Return rows, the containers of magnified frames, and the written containers of their features."""
    rows, products, kept = [], {}, {}
    for number, subject in enumerate(("s1", "s2")):
        source, rng = f"casme2/casme2-{subject}", np.random.default_rng(number)
        products[source] = tmp_path / f"{subject}.h5"
        with ContainerWriter(products[source], "magnify", "three", {"alphas": [1.0, 2.0]}) as out:
            for clip in ("c1", "c2", "c3"):
                rows.append(row(subject, f"{subject}{clip}", source))
                if clip == "c2":
                    out.fail(f"{subject}{clip}", "no face")
                    continue
                with out.clip(f"{subject}{clip}") as writer:
                    writer.write("frames", rng.integers(0, 256, (2, 4, 40, 40, 3), dtype=np.uint8))
                    writer.write("alphas", np.array([1.0, 2.0]))
                    writer.attributes({"onset": 0, "offset": 3 if clip == "c1" or number else 0})
        kept[source] = tmp_path / "features" / f"{subject}.h5"
        clips = [one.sample_id for one in rows if one.source == source]
        given = {"magnified": {source: products[source]}}
        kept_features.write_features("aman", aman.MODEL, SMALL, clips, source, given, kept[source])
    return rows, {"magnified": products}, {"features": kept}


def test_kept_features_are_those_of_the_products(world):
    rows, products, kept = world
    fresh = gather(rows, products, aman.MODEL, SMALL)
    read = gather(rows, kept, aman.MODEL, SMALL)
    assert [one.sample_id for one in read.rows] == ["s1c1", "s2c1", "s2c3"] == [one.sample_id for one in fresh.rows]
    assert read.features.dtype == np.float16 and read.features.shape == (3, 2, 2, 256, 2, 2)
    assert np.array_equal(np.asarray(read.features), np.asarray(fresh.features))
    assert [(one.sample_id, why.split(": ")[0]) for one, why in read.excluded] == [
        ("s1c2", "magnified"),
        ("s1c3", "s1c3"),
        ("s2c2", "magnified"),
    ]
    assert [why for _, why in read.excluded] == [why for _, why in fresh.excluded]
    assert read.inputs == fresh.inputs, "a checkpoint says what the features were made of"


def test_only_settings_that_the_card_names_reach_the_features(world, monkeypatch):
    rows, products, _ = world
    source = rows[0].source
    for forgotten in aman.MODEL.seen:
        seen = tuple(name for name in aman.MODEL.seen if name != forgotten)
        card = type(aman.MODEL)(**{**vars(aman.MODEL), "seen": seen})
        with pytest.raises(AttributeError, match=forgotten):
            given = {"magnified": {source: products["magnified"][source]}}
            kept_features.write_features(
                "aman", card, SMALL, ["s1c1"], source, given, products["magnified"][source].with_name("x.h5")
            )


def test_features_with_other_settings_are_not_mixed(world, tmp_path):
    rows, products, kept = world
    source = rows[-1].source
    other = SMALL.model_copy(update={"frames": 3})
    given = {"magnified": {source: products["magnified"][source]}}
    kept_features.write_features("aman", aman.MODEL, other, ["s2c1"], source, given, kept["features"][source])
    with pytest.raises(ModelError, match="made with another parameters than the other subjects"):
        gather(rows, kept, aman.MODEL, SMALL)


def test_the_file_says_what_it_is(world):
    path = next(iter(world[2]["features"].values()))
    with Container(path) as box:
        assert box.attributes["stage"] == "features" and box.parameters()["settings"]["size"] == 32
        assert set(box.parameters()["settings"]) == set(aman.MODEL.seen)


def test_a_model_may_have_an_input_of_that_name_itself(tmp_path):
    source = "casme2/casme2-s1"
    with ContainerWriter(tmp_path / "s1.h5", "spot") as out, out.clip("c1") as clip:
        clip.write("values", np.arange(6.0))
    card = type(aman.MODEL)(
        presets={"only": SMALL},
        inputs={"features": ("values",)},
        settings=(),
        source="a test",
        libraries=("numpy",),
        features=lambda clips, preset: clips["features"].read("values").astype(np.float32) * 2,
        fit=aman.MODEL.fit,
        predict=aman.MODEL.predict,
    )
    read = gather([row("s1", "c1", source)], {"features": {source: tmp_path / "s1.h5"}}, card, SMALL)
    assert np.asarray(read.features).tolist() == [[0, 2, 4, 6, 8, 10]]
    assert read.inputs["features"]["stage"] == "spot"
