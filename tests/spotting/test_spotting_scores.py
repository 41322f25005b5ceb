"""Spotting scores: vectors of specs/mean-softnet.md A4 and A5, and properties that the public scorer breaks."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.errors import DatasetError
from mer.metrics.spotting import Counts, Video, average_precision, count, match, match_greedy, overlaps, total
from mer.spotting.interval_files import Interval, dumps_megc, dumps_strs, read_table
from mer.spotting.score_intervals import run_score, score

intervals = st.lists(st.tuples(st.integers(-30, 60), st.integers(0, 25)).map(lambda t: (t[0], t[0] + t[1])), max_size=6)
rows = st.lists(
    st.builds(
        lambda s, v, o, n, e, c: Interval(s, v, o, o + n, e, "", c),
        st.sampled_from("ab"),
        st.sampled_from("12"),
        st.integers(-20, 60),
        st.integers(0, 30),
        st.sampled_from(["joy", "fear", "others"]),
        st.sampled_from([0.0, 0.5, 0.9]),
    ),
    max_size=12,
)


def iou(a, b):
    first, second = set(range(a[0], a[1] + 1)), set(range(b[0], b[1] + 1))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize(
    ("predicted", "tp", "truth", "f1"),
    [
        (5035, 21, 57, 0.008248232521602514),
        (1523, 109, 300, 0.11958310477235326),
        (6558, 130, 357, 0.03759942154736081),
        (1436, 29, 159, 0.03636363636363636),
        (356, 22, 343, 0.06294706723891273),
        (1792, 51, 502, 0.04446381865736704),
    ],
)
def test_f1_of_the_megc2020_baseline(predicted, tp, truth, f1):
    assert Counts(tp, predicted - tp, truth - tp).f1 == pytest.approx(f1, abs=1e-15)


def test_f1_of_both_databases_is_that_of_the_summed_counts():
    both = total([Counts(130, 6558 - 130, 357 - 130), Counts(51, 1792 - 51, 502 - 51)])
    assert both.f1 == pytest.approx(0.039309371267238574, abs=1e-15)


def test_strs_of_a_small_example_by_hand():
    # Five true intervals; three are spotted, one of them with the right class.
    truth = [
        Interval("1", "a", 10 * k, 10 * k + 5, name) for k, name in enumerate(["joy", "fear", "anger", "joy", "fear"])
    ]
    made = [(0, "joy"), (1, "anger"), (2, "fear")]
    prediction = [Interval("1", "a", 10 * k, 10 * k + 5, name) for k, name in made]
    prediction += [Interval("1", "a", 500, 505, "joy"), Interval("1", "a", 600, 605, "joy")]
    found = score(truth, prediction)
    assert (found["tp"], found["fp"], found["fn"]) == (3, 2, 2)
    assert (found["tp_analysis"], found["fp_analysis"], found["fn_analysis"]) == (1, 2, 2)
    assert found["f1_spotting"] == pytest.approx(0.6)
    assert found["f1_analysis"] == pytest.approx(1 / 3)
    assert found["uar"] == pytest.approx(1 / 3)
    assert found["strs"] == pytest.approx(0.2)


@given(intervals, intervals, st.sampled_from([0.5, 0.55, 0.7, 0.95]))
def test_overlaps_are_all_pairs_that_share_enough(truth, prediction, least):
    g, p, value = overlaps(truth, prediction, least)
    expected = {
        (i, j)
        for (i, a), (j, b) in itertools.product(enumerate(truth), enumerate(prediction))
        if iou(a, b) >= least - 1e-9
    }
    assert set(zip(g.tolist(), p.tolist(), strict=True)) == expected
    for i, j, v in zip(g, p, value, strict=True):
        assert v == pytest.approx(iou(truth[i], prediction[j]))


@settings(deadline=None)
@given(intervals, intervals)
def test_matching_is_one_to_one_and_as_large_as_can_be(truth, prediction):
    pairs = match(truth, prediction)
    assert len(set(pairs[:, 0])) == len(pairs) == len(set(pairs[:, 1]))
    assert len(pairs) == _largest([[iou(a, b) >= 0.5 for b in prediction] for a in truth])
    assert len(match_greedy(truth, prediction)) <= len(pairs)


def _largest(allowed):
    """The size of the largest matching, by trying."""
    if not allowed:
        return 0
    best = _largest(allowed[1:])
    for j, yes in enumerate(allowed[0]):
        if yes:
            rest = [[v and k != j for k, v in enumerate(line)] for line in allowed[1:]]
            best = max(best, 1 + _largest(rest))
    return best


def test_one_prediction_never_counts_twice():
    # The public scorer counts two here: one prediction meets two short truths at exactly one half each.
    assert count([(0, 9), (10, 19)], [(0, 19)]) == Counts(1, 0, 1)
    assert count([(0, 9)], [(0, 9), (0, 9)]) == Counts(1, 1, 0)


def test_the_published_rule_wastes_a_prediction_on_a_taken_interval():
    truth, prediction = [(0, 19), (6, 27)], [(0, 19), (3, 22)]
    assert len(match(truth, prediction)) == 2
    assert len(match_greedy(truth, prediction)) == 1


@pytest.mark.slow
@settings(deadline=None)
@given(rows, rows, st.randoms(use_true_random=False))
def test_no_score_depends_on_the_order_of_rows(truth, prediction, random):
    expected = score(truth, prediction, fps=30)
    random.shuffle(truth)
    random.shuffle(prediction)
    assert score(truth, prediction, fps=30) == expected


@settings(deadline=None)
@given(rows, rows)
def test_scores_are_finite_and_counts_add_up(truth, prediction):
    found = score(truth, prediction)
    assert found["tp"] + found["fn"] == len(truth) and found["tp"] + found["fp"] == len(prediction)
    for name in ("strs", "f1_spotting", "ap_50_95", "uf1", "uar", "accuracy", "f1_analysis"):
        assert 0 <= found[name] <= 1
    assert sum(r.emotion == "others" for r in truth) + found["n_analysis"] <= len(truth)


@settings(deadline=None)
@given(rows)
def test_a_perfect_answer_scores_one(truth):
    unique = list({(r.subject, r.video, r.onset, r.offset): r for r in truth}.values())
    found = score(unique, unique)
    assert found["f1_spotting"] == (1 if unique else 0)
    assert found["ap_50_95"] == pytest.approx(1 if unique else 0)
    assert found["accuracy"] == (1 if found["classes"] else 0)


def test_silent_subjects_and_videos_without_truth_count():
    truth = [Interval("1", "a", 0, 9, "joy"), Interval("2", "a", 0, 9, "joy")]
    prediction = [Interval("1", "a", 0, 9, "joy"), Interval("3", "c", 0, 9, "joy")]
    found = score(truth, prediction)
    assert (found["tp"], found["fp"], found["fn"]) == (1, 1, 1)
    assert found["subjects_without_prediction"] == ["2"] and found["videos_without_truth"] == 1


def test_uar_is_recall_and_not_precision():
    truth = [Interval("1", "a", 20 * k, 20 * k + 9, name) for k, name in enumerate(["joy"] * 3 + ["fear"])]
    prediction = [Interval("1", "a", r.onset, r.offset, "joy") for r in truth]
    found = score(truth, prediction)
    assert found["uar"] == pytest.approx(0.5) and found["precision_analysis"] == pytest.approx(0.375)


def test_average_precision_by_hand():
    truth, none = np.array([[0, 9], [100, 109]]), np.zeros((0, 2), int)
    made = np.array([[0, 9], [50, 59], [100, 109]])
    first = average_precision([Video(truth, made, np.array([0.9, 0.8, 0.7]))], [0.5])[0]
    assert first == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    tied = average_precision([Video(truth, made, np.zeros(3))], [0.5])[0]
    assert tied == pytest.approx(2 / 3)
    assert average_precision([Video(none, made, np.zeros(3))], [0.5])[0] == 0


def test_types_are_scored_apart_and_pooled():
    truth = [Interval("1", "a", 0, 9, "joy", "micro"), Interval("1", "a", 100, 160, "joy", "macro")]
    prediction = [Interval("1", "a", 0, 9, "joy", "macro"), Interval("1", "a", 100, 160, "joy", "macro")]
    found = score(truth, prediction)["by_type"]
    assert (found["micro"]["tp"], found["micro"]["fn"]) == (0, 1)
    assert (found["macro"]["tp"], found["macro"]["fp"]) == (1, 1)
    assert (found["overall"]["tp"], found["overall"]["fp"], found["overall"]["fn"]) == (1, 1, 1)
    assert score([Interval("1", "a", 0, 9, "joy")], [])["by_type"] == {}
    assert score([Interval("1", "a", 0, 9, "joy")], [], fps=30)["by_type"]["micro"]["fn"] == 1


@settings(deadline=None)
@given(rows)
def test_written_rows_read_back(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("strs") / "rows.csv"
    path.write_text(dumps_strs(made), encoding="utf-8")
    assert list(read_table(path).rows) == sorted(made)


BAD_ROWS = {
    "1,a,x,9,joy": "onset 'x'",
    "1,a,9,1,joy": "offset 1 before onset 9",
    "1,a,1.5,9,joy": "onset '1.5'",
    "1,a,nan,9,joy": "onset 'nan'",
    "1,a,1,9": "4 cells",
    "1,a,1,9,joy,more": "6 cells",
    ",a,1,9,joy": "no subject",
    "1,,1,9,joy": "no video",
    "1,a,1,9,": "no emotion",
    "1,a,1,99999999999999999999,joy": "offset '99999999999999999999'",
}


def test_every_malformed_row_is_named(tmp_path):
    truth, bad = tmp_path / "gt.csv", tmp_path / "pred.csv"
    truth.write_text("subject,video,onset,offset,emotion\n1,a,1,9,joy\n")
    bad.write_text("subject,video,onset,offset,emotion\n" + "\n".join(BAD_ROWS) + "\n1,a,1,9,joy\n")
    with pytest.raises(DatasetError) as caught:
        run_score(truth, bad, "", "one-to-one", None, False, None)
    lines = caught.value.line().splitlines()
    assert len(lines) == len(BAD_ROWS)
    for number, (line, part) in enumerate(zip(lines, BAD_ROWS.values(), strict=True), start=2):
        assert f"pred.csv row {number}: " in line and part in line


@given(st.text(max_size=200))
def test_any_text_gives_rows_or_one_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "rows.csv"
    path.write_text("subject,video,onset,offset,emotion\n" + text, encoding="utf-8", errors="replace")
    try:
        table = read_table(path)
    except DatasetError as error:
        assert "\n" not in error.line()
    else:
        assert all("row" in line for line in table.problems)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"PK\x03\x04\0\0"])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.csv"):
        read_table(tmp_path / "x.csv")
    with pytest.raises(DatasetError, match=r"absent\.csv"):
        read_table(tmp_path / "absent.csv")


def test_names_written_as_numbers_are_one_name(tmp_path):
    for name, cell in (("gt", "006"), ("pred", "6.0")):
        (tmp_path / f"{name}.csv").write_text(f"Subject, video,onset,offset,emotion\n{cell},a,1,9.0,joy\n")
    found = json.loads(run_score(tmp_path / "gt.csv", tmp_path / "pred.csv", "", "one-to-one", None, True, None))
    assert {"strs", "tp", "fp", "fn", "f1_spotting", "uf1", "uar", "accuracy", "f1_analysis", "ap_50_95"} <= set(found)
    assert found["tp"] == 1 and found["strs"] == 1


def test_megc_submissions_are_read_and_written(tmp_path):
    made = [Interval("1", "007_1", 5, 20, "joy"), Interval("1", "007_1", 50, 120, "joy", "macro")]
    (tmp_path / "gt.csv").write_text(dumps_strs(made))
    (tmp_path / "sub.csv").write_text(dumps_megc(made, 200.0))
    assert (tmp_path / "sub.csv").read_text().splitlines()[1:] == ["007_1,5,20,me", "007_1,50,120,mae"]
    out = tmp_path / "again.csv"
    found = json.loads(run_score(tmp_path / "gt.csv", tmp_path / "sub.csv", "", "one-to-one", 200.0, True, out))
    assert found["f1_spotting"] == 1 and found["strs"] is None
    assert found["by_type"]["micro"]["tp"] == found["by_type"]["macro"]["tp"] == 1
    assert out.read_text() == (tmp_path / "sub.csv").read_text()
    with pytest.raises(DatasetError, match="true intervals"):
        run_score(tmp_path / "sub.csv", tmp_path / "sub.csv", "", "one-to-one", None, True, None)
