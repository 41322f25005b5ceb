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
