"""Training, spotting and scoring over folds, on features whose truth is known."""

import json

import numpy as np
import pytest
from spotting_world import world

from mer.core.errors import ModelError
from mer.spotting.curves import read_curves
from mer.spotting.evaluate import evaluate, prediction_rows, read_lines, truth_rows
from mer.spotting.experiment import SpotRecipe, SpottingExperiment
from mer.spotting.fit import fit_fold
from mer.spotting.network import gather, parts_of
from mer.spotting.predict import predict_fold
from mer.spotting.recording_tables import read_videos, write_videos
from mer.spotting.recordings import Opened
from mer.training.separation import FoldJob

pytestmark = pytest.mark.slow

RECIPE = SpotRecipe(epochs=6, learning_rate=3e-3, inner=2)
FIXED = SpottingExperiment("mean", "fixed", RECIPE)


def quiet(line):
    """Take a line of the log."""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("spotting")
    return root, *world(root)


def run(root, videos, containers, group, protocol="fixed", model="mean", table=None):
    write_videos(root / "train.csv", [v for v in videos if v.group != group] if table is None else table)
    write_videos(root / "test.csv", [v for v in videos if v.group == group])
    experiment = SpottingExperiment(model, protocol, RECIPE, halves={"micro": 6} if protocol == "ref" else {})
    model_path = root / f"{model}-{protocol}.safetensors"
    boxes = {"micro": containers}
    held = {"micro": {s: p for s, p in containers.items() if s.endswith(group.partition(":")[2])}}
    fit_fold(experiment, FoldJob(group, (group,), root / "train.csv", model_path), boxes, quiet)
    paths = [root / name for name in ("out.jsonl", "curves.npz", "lost.jsonl")]
    predict_fold(experiment, group, model_path, root / "test.csv", held, paths, quiet)
    return model_path, paths


def test_what_moves_is_spotted_and_a_quiet_recording_stays_empty(small):
    root, videos, containers = small
    _, (out, curves, _) = run(root, videos, containers, "db:s1")
    tests = [v for v in videos if v.group == "db:s1"]
    result = evaluate(truth_rows(tests, ["micro"]), {0: prediction_rows(read_lines([out]))}, (), "fixed", tests)
    assert result["mean"]["f1_spotting"] == 1
    assert result["recordings_without_expression"] == 1
    drawn = {curve.video: curve for curve in read_curves(curves)}
    assert set(drawn) == {v.sample_id for v in tests}
    quiet = next(v.sample_id for v in tests if not v.events)
    assert drawn[quiet].score.max() < drawn[quiet].threshold


def test_the_published_protocol_spots_in_every_recording_with_an_expression_only(small):
    root, videos, containers = small
    for model in ("mean", "softnet"):
        _, (out, _, _) = run(root, videos, containers, "db:s1", "ref", model)
        found = {json.loads(line)["sample_id"] for line in out.read_text().splitlines()}
        assert found == {v.sample_id for v in videos if v.group == "db:s1" and v.events}


def test_a_held_out_person_is_refused_in_training_and_a_known_one_in_testing(small):
    root, videos, containers = small
    with pytest.raises(ModelError, match="held-out subject db:s1"):
        run(root, videos, containers, "db:s1", table=videos)
    path, paths = run(root, videos, containers, "db:s1")
    write_videos(root / "test.csv", [v for v in videos if v.group == "db:s0"])
    with pytest.raises(ModelError, match="was trained on db:s0"):
        predict_fold(FIXED, "db:s1", path, root / "test.csv", {"micro": containers}, paths)
    with pytest.raises(ModelError, match="trained with fold db:s1; expected fold db:s0"):
        predict_fold(FIXED, "db:s0", path, root / "test.csv", {"micro": containers}, paths)


def test_a_fit_never_opens_the_held_out_file(small, tmp_path):
    root, videos, containers = small
    first = run(root, videos, containers, "db:s1")[0].read_bytes()
    (tmp_path / "broken.h5").write_bytes(b"not a container")
    write_videos(root / "train.csv", [v for v in videos if v.group != "db:s1"])
    boxes = {"micro": {**containers, "db/db-s1": tmp_path / "broken.h5"}}
    again = root / "again.safetensors"
    fit_fold(FIXED, FoldJob("db:s1", ("db:s1",), root / "train.csv", again), boxes, quiet)
    assert again.read_bytes() == first


def test_inner_parts_hold_out_every_person_once_and_never_on_both_sides(small):
    _, videos, containers = small
    with Opened(videos, "micro", {"micro": containers}) as opened:
        outside = []
        for inside, held in parts_of(opened.recordings, 3, 0):
            assert not {r.video.group for r in inside} & {r.video.group for r in held}
            outside += [r.video.sample_id for r in held]
        assert sorted(outside) == sorted(v.sample_id for v in videos)


def test_training_positions_do_not_depend_on_the_order_of_rows(small):
    _, videos, containers = small
    found = []
    for rows in (videos, videos[::-1]):
        with Opened(rows, "micro", {"micro": containers}) as opened:
            found.append(gather(opened.recordings, "micro", FIXED, 3))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert 0 < found[0][1].mean() < 0.5


def test_a_table_of_recordings_reads_back(small, tmp_path):
    _, videos, _ = small
    write_videos(tmp_path / "rows.csv", videos[::-1])
    assert read_videos(tmp_path / "rows.csv") == sorted(videos, key=lambda v: v.key)


def test_no_expression_to_learn_is_one_clear_error(small):
    root, videos, containers = small
    with pytest.raises(ModelError, match="no macro-expression"):
        write_videos(root / "train.csv", videos[2:])
        fit_fold(FIXED, FoldJob("f", ("db:s0",), root / "train.csv", root / "x.safetensors"), {"macro": containers})
