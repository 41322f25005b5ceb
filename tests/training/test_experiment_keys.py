"""Keys of an experiment that would make its score mean something else are refused before any job starts."""

import pytest

from mer.core.errors import ConfigError
from mer.planning.catalog import Catalog
from mer.planning.keys import origin
from mer.planning.read_config import parse

RAW = {
    "datasets": {"faces": {"reader": "casme2", "simulate": {"layout": "casme2", "subjects": 2, "clips": 3}}},
    "align": {"small": {"method": "dlib", "size": 64}},
    "flow": {"apex": {"from": "align/small", "method": "dis", "pairs": "onset_apex"}},
}
EXPERIMENT = {"model": "ststnet", "data": ["faces"], "view": "emotion_3", "inputs": {"motion": "flow/apex"}}


def test_the_diagnostic_needs_a_model_with_epochs():
    wanted = EXPERIMENT | {"diagnose": {"oracle_epoch": 2}}
    assert parse(RAW | {"experiments": {"net": wanted}}).experiments["net"].diagnose.oracle_epoch == 2
    with pytest.raises(ConfigError, match=r"diagnose\.oracle_epoch: model svm_flow has no epochs"):
        parse(RAW | {"experiments": {"svm": wanted | {"model": "svm_flow"}}})
    with pytest.raises(ConfigError, match=r"diagnose\.oracle_epoch: bad value 0"):
        parse(RAW | {"experiments": {"net": EXPERIMENT | {"diagnose": {"oracle_epoch": 0}}}})


def test_simulated_persons_do_not_meet_real_ones(tmp_path):
    real = {"reader": "casme2", "root": str(tmp_path), "licence_accepted": True}
    raw = RAW | {"datasets": RAW["datasets"] | {"real": real}}
    parse(raw | {"experiments": {"apart": EXPERIMENT}})
    with pytest.raises(ConfigError, match=r"data: mixes simulated and licensed databases"):
        parse(raw | {"experiments": {"both": EXPERIMENT | {"data": ["faces", "real"]}}})


FRAMES = {
    **RAW,
    "rois": {
        "published": {"from": "align/small", "method": "published_boxes", "set": "dual_branch", "array": "frames"},
        "facs": {"from": "align/small", "method": "au_boxes", "array": "frames"},
        "own": {
            "from": "align/small",
            "method": "au_boxes",
            "array": "frames",
            "table": [
                {"name": "lips", "landmarks": [48, 54, 51, 57], "units": [12, 17]},
                {"name": "whole", "landmarks": [0, 8, 16, 19, 24]},
            ],
        },
    },
}


def dual_branch(model="dual_branch", preset="icip2024", table=None, **train):
    """Return the checked settings and inputs of a dual-branch experiment."""
    inputs = {"clip": "align/small"} | ({"regions": f"rois/{table}"} if table else {})
    wanted = EXPERIMENT | {"model": model, "preset": preset, "inputs": inputs, "train": train}
    config = parse(FRAMES | {"experiments": {"net": wanted}})
    return config.settled["net"].settings, config.experiments["net"].inputs


def test_range_sampler_and_size_are_settings_of_both_dual_branch_systems():
    settings, _ = dual_branch(frames=12, first=3, size=64)
    assert (settings.sampler, settings.frames, settings.first, settings.size) == ("first_n", 12, 3, 64)
    settings, _ = dual_branch(sampler="uniform", frames=8)
    assert (settings.sampler, settings.frames) == ("uniform", 8)
    settings, _ = dual_branch("dual_branch_msmh", "casme2", "published", sampler="first_n", first=5, frames=16)
    assert (settings.sampler, settings.first, settings.frames, settings.size) == ("first_n", 5, 16, 128)


def test_a_preset_without_regions_needs_no_product_of_them():
    for preset in ("lie", "smic"):
        assert dual_branch("dual_branch_msmh", preset, class_weights="none")[1] == {"clip": "align/small"}
    # One that is named all the same is not made.
    assert dual_branch("dual_branch_msmh", "smic", "published")[1] == {"clip": "align/small"}
    assert dual_branch("dual_branch_msmh", "casme2", region="none")[1] == {"clip": "align/small"}
    assert set(dual_branch("dual_branch_msmh", "smic", "published", region="face")[1]) == {"clip", "regions"}
    with pytest.raises(ConfigError, match=r"net\.inputs: has clip; expected clip, regions"):
        dual_branch("dual_branch_msmh", "casme2")


@pytest.mark.parametrize(
    ("regions", "train", "message"),
    [
        ("published", {"sampler": "first"}, r"train\.sampler: bad value 'first': input should be 'span', "),
        ("published", {"sampler": "uniform", "first": 2}, r"train\.first: bad value 2: sampler uniform has no first"),
        ("published", {"frames": 0}, r"train\.frames: bad value 0: input should be greater than or equal to 1"),
        ("published", {"size": 4}, r"train\.size: bad value 4: input should be greater than or equal to 8"),
        ("published", {"units": [1]}, r"train\.units: bad value .*no action unit chooses a region unless regions is"),
        ("published", {"regions": "annotation", "units": [1, 99]}, r"train\.units: no region of rois/published shows"),
        ("published", {"region": "lips"}, r"train\.region: no region 'lips'; expected a region of rois/published"),
        ("facs", {"regions": "annotation", "region": "mouth"}, r"train\.regions: the last region of rois/facs lists"),
        ("own", {"regions": "annotation", "units": [4]}, r"shows action unit 4; expected of 12, 17"),
        ("own", {}, r"train\.region: no region 'face'; expected a region of rois/own"),
    ],
)
def test_bad_settings_of_frames_and_regions_are_one_line(regions, train, message):
    with pytest.raises(ConfigError, match=message) as caught:
        dual_branch("dual_branch_msmh", "casme2", regions, **train)
    assert "\n" not in caught.value.line()


def test_the_table_of_a_configuration_reaches_the_experiment():
    settings, inputs = dual_branch("dual_branch_msmh", "casme2", "own", regions="annotation", units=[12, 17])
    assert settings.units == (12, 17) and inputs["regions"] == "rois/own"
    assert dual_branch("dual_branch_msmh", "casme2", "own", region="whole")[0].region == "whole"


def test_a_checkpoint_is_told_its_whole_chain():
    told = origin(Catalog(parse(RAW | {"experiments": {"net": EXPERIMENT | {"labels": "permuted"}}})), "net")
    (steps,) = told["chains"].values()
    assert [(step["stage"], step["method"]) for step in steps] == [
        ("frames", "list"),
        ("align", "dlib"),
        ("flow", "dis"),
    ]
    assert steps[1]["params"]["size"] == 64 and all(len(step["code"]) == 16 for step in steps)
    assert told["simulated"] and told["labels"] == "permuted" and told["view"] == "emotion_3"
