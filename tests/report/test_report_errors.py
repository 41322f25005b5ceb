"""Every clip with what the systems say of it, its small pictures within their budget, and training curves."""

from dataclasses import replace

import numpy as np
import pytest

from mer.report.clips import sample_clips
from mer.report.courses import Courses, course_chart, read_courses
from mer.report.data import load_dataset
from mer.report.every_clip import every_clip, pictured
from mer.report.origin import record
from mer.report.scores import load_experiment, overview, score_rows
from mer.report.strips import LEVELS


@pytest.fixture(scope="module")
def world(inputs):
    datasets = [load_dataset(name, files) for name, files in inputs.datasets.items()]
    return datasets, [load_experiment(name, files) for name, files in inputs.experiments.items()]


@pytest.fixture(scope="module")
def every(world):
    return every_clip(*world)


def test_a_clip_is_wrong_where_most_seeds_of_a_system_are(every, world):
    _, experiments = world
    assert every.systems == ["good", "better"]
    good = experiments[0].scored
    wrong = {key for i, key in enumerate(good.keys) if (good.predicted[:, i] != good.truth[i]).sum() > 1.5}
    told = {
        (one.sample.dataset, one.sample.sample_id)
        for one in every.clips
        for verdict in one.verdicts
        if verdict.system == "good" and not verdict.right
    }
    assert told == wrong and 0 < len(wrong) < len(good.keys)


def test_what_all_get_wrong_is_what_each_gets_wrong(every):
    assert every.missed_by_all
    for one in every.clips:
        outcome = {True: "all", False: "right"}.get(all(not v.right for v in one.verdicts))
        expected = outcome if len({v.right for v in one.verdicts}) == 1 else "some"
        assert one.outcome == expected and (one in every.missed_by_all) == (expected == "all")
        assert one.label == one.sample.emotion_3


def test_pictures_keep_to_their_budget(every, world, inputs):
    datasets, _ = world
    records = {one.name: [record(p, paths) for p, paths in one.inputs.products.items()] for one in datasets}
    few = replace(every, clips=[one for one in every.clips if one.sample.subject == "s00"])
    scales = {one.name: sample_clips(one, records[one.name], inputs.sources, 1).scales for one in datasets}
    taken = {}
    for budget in (10_000_000, 60_000, 2_000):
        found = pictured(few, datasets, records, inputs.sources, scales, budget)
        taken[budget] = found.level, len(found.strips)
        assert sum(len(s.source) for strips in found.strips.values() for s in strips) <= budget
    assert taken[10_000_000] == (LEVELS[0], len(few.clips))
    assert taken[60_000][0].side < LEVELS[0].side and taken[2_000][1] < len(few.clips)


def test_losses_come_from_the_checkpoints_and_the_mean_is_theirs(whole, tmp_path):
    models = whole.experiments["good"].models
    courses = read_courses([*models, tmp_path / "none.safetensors"])
    assert len(courses.losses) == 5 and courses.silent == 2 and courses.names[0] == "a, seed0"
    assert courses.losses[0][:2].tolist() == [1.2, 0.96]
    assert courses.mean[0] == pytest.approx(1.22)
    shapes = course_chart(courses).shapes
    assert sum(shape.name == "polyline" for shape in shapes) == 6


def test_a_curve_of_many_epochs_is_thinned_and_keeps_its_ends():
    long = Courses([np.linspace(5, 1, 500)], ["a"])
    (points,) = {shape.attributes["points"] for shape in course_chart(long).shapes if shape.name == "polyline"}
    pairs = [tuple(map(float, pair.split(","))) for pair in points.split()]
    assert len(pairs) == 80 and pairs[0][1] < pairs[-1][1]


def test_the_overview_has_a_row_per_system_and_a_column_per_database(world):
    told = overview([score for one in world[1] for score in score_rows(one)])
    assert list(told.columns) == ["all", "alpha", "beta"]
    assert [(name, len(row)) for name, row in told.rows] == [("good", 3), ("better", 3)]
    assert told.rows[1][1][0].value["uf1"] == world[1][1].metrics["summary"]["pooled"]["uf1"]["mean"]
