"""Protocols: nobody on two sides, no influence of any order, every left-out clip counted."""

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.errors import ConfigError, DatasetError, ModelError
from mer.core.sample import Sample
from mer.datasets.views import view_of
from mer.training.fold_tables import Row, permute_labels, read_table, write_table
from mer.training.folds import holdout_database, kfold, loso, notes, select

CLASSES = ("negative", "positive", "surprise")


def sample(subject, clip, label, **changes):
    fields = {"dataset": "samm", "subject": subject, "group": f"samm:{subject}", "sample_id": f"{subject}_{clip}"}
    fields |= {"video_id": clip, "media_path": clip, "emotion_norm": label or ""}
    return Sample(**{**fields, **changes})


def row(subject, clip, label="negative"):
    return Row(f"{subject}_{clip}", "samm", subject, f"samm:{subject}", label, f"mine/samm-{subject}")


def rows(sizes):
    return [row(f"s{s:02d}", c, CLASSES[(s + c) % 3]) for s, n in enumerate(sizes) for c in range(n)]


sizes = st.lists(st.integers(1, 6), min_size=2, max_size=8)


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(0, 99), st.randoms(use_true_random=False))
def test_no_group_on_both_sides_and_no_order(counts, seed, rng):
    clips = rows(counts)
    shuffled = list(clips)
    rng.shuffle(shuffled)
    for make in (loso, lambda r: kfold(r, 2, seed)):
        folds = make(clips)
        assert folds == make(shuffled)
        for fold in folds:
            assert not {r.group for r in fold.train} & {r.group for r in fold.test}
            assert not set(fold.train_sources) & set(fold.test_sources)
            assert {r.group for r in fold.test} == set(fold.held_out)
            assert len(fold.train) + len(fold.test) == len(clips)
        assert sorted(r.key for fold in folds for r in fold.test) == sorted(r.key for r in clips)


def test_loso_names_and_order():
    folds = loso(rows([2, 3, 1])[::-1])
    assert [fold.name for fold in folds] == ["samm-s00", "samm-s01", "samm-s02"]
    assert [len(fold.test) for fold in folds] == [2, 3, 1]


def test_one_person_in_two_datasets_is_one_fold():
    short, long = sample("006", "a", "negative"), sample("006", "b", "positive", dataset="samm_lv")
    other = sample("007", "c", "surprise")
    folds = loso(select({"short": [short, other], "long": [long]}, view_of("emotion_3"), CLASSES).rows)
    assert [fold.held_out for fold in folds] == [("samm:006",), ("samm:007",)]
    assert folds[0].test_sources == ("long/samm-006", "short/samm-006")


def test_kfold_is_balanced_and_seeded():
    clips = rows([5] * 9 + [1] * 3)
    folds = kfold(clips, 3, seed=0)
    assert [fold.name for fold in folds] == ["part1", "part2", "part3"]
    assert [len(fold.test) for fold in folds] == [16, 16, 16]
    assert folds != kfold(clips, 3, seed=1)


def test_left_out_clips_are_counted():
    given_rows = [
        sample("001", "a", "negative"),
        sample("002", "b", "positive"),
        sample("003", "c", "surprise"),
        sample("003", "d", None),
        sample("003", "e", "others"),
        sample("003", "f", "negative", status="missing_media", reason="no frames"),
        sample("003", "g", "negative").excluded("apex before onset"),
    ]
    selection = select({"mine": given_rows}, view_of("emotion_3"), CLASSES)
    assert [r.sample_id for r in selection.rows] == ["001_a", "002_b", "003_c"]
    assert selection.left_out == {
        "mine: excluded": 1,
        "mine: missing_media": 1,
        "mine: no class in emotion_3 (no emotion)": 1,
        "mine: no class in emotion_3 (others)": 1,
    }


def test_class_outside_the_experiment_is_counted():
    clips = [sample(f"00{i}", "a", label) for i, label in enumerate(CLASSES)]
    selection = select({"mine": clips}, view_of("emotion_3"), CLASSES[:2])
    assert selection.left_out == {"mine: class surprise not in the experiment": 1}


def test_training_part_without_a_class_is_noted():
    clips = [row("a", 0), row("a", 1, "positive"), row("b", 0), row("c", 0, "surprise"), row("c", 1, "positive")]
    folds = loso(clips)
    assert [notes(fold) for fold in folds] == [(), (), ("fold samm-c: no training clip of class surprise",)]


def test_objective_class_is_a_view():
    clips = [sample(f"00{i}", "a", None, objective_class=1 + i % 2) for i in range(4)]
    assert [r.label for r in select({"mine": clips}, view_of("objective"), ("1", "2")).rows] == ["1", "2", "1", "2"]


@pytest.mark.parametrize(
    ("samples", "view", "classes", "error", "message"),
    [
        ([], "emotion_3", CLASSES, DatasetError, "no usable clip"),
        (
            [sample("1", "a", "negative")],
            "emotion_3",
            CLASSES,
            DatasetError,
            "view emotion_3: no usable clip of class positive, surprise",
        ),
        ([sample("1", "a", "negative")], "emotion_3", ("negative",), ConfigError, "at least two different classes"),
        ([sample("", "a", "negative", group="samm:")], "emotion_3", CLASSES, DatasetError, "no subject"),
    ],
)
def test_bad_selections(samples, view, classes, error, message):
    with pytest.raises(error, match=message):
        select({"mine": samples}, view_of(view), classes)


def test_a_class_that_nobody_has_is_told_with_the_emotions_of_the_rows():
    with pytest.raises(DatasetError, match=r"view emotion_5: no usable clip; .*; the rows have the emotions negative"):
        select({"mine": [sample("1", "a", "negative")]}, view_of("emotion_5"), ("happiness", "fear"))


def test_bad_protocols():
    with pytest.raises(DatasetError, match="1 subjects; expected at least 2"):
        loso(rows([4]))
    with pytest.raises(DatasetError, match="2 subjects; expected at least 3"):
        kfold(rows([4, 4]), 3, seed=0)
    with pytest.raises(ConfigError, match="k = 1"):
        kfold(rows([4, 4]), 1, seed=0)
    with pytest.raises(ModelError, match="clip s00_0 of samm occurs twice"):
        loso([*rows([1, 1]), row("s00", 0)])
    twins = [Row("x", "samm", "a b", "samm:a b", "negative", "mine/samm-a-b"), row("a-b", 1)]
    with pytest.raises(DatasetError, match="two subjects share the file name samm-a-b"):
        loso(twins)


def test_table_round_trip(tmp_path):
    clips = rows([3, 2])
    odd = Row('quote "and", comma', "samm", "ü", "samm:ü", "negative", "mine/samm-ü")
    write_table(tmp_path / "a.csv", [*clips, odd])
    random.Random(0).shuffle(clips)
    write_table(tmp_path / "b.csv", [odd, *clips])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert sorted(read_table(tmp_path / "a.csv"), key=lambda r: r.key) == sorted([*clips, odd], key=lambda r: r.key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_id,dataset\n", "lacks the column subject, group, label, source"),
        ("sample_id,dataset,subject,group,label,source\na,b\n", "line 2: another number of cells"),
        ("sample_id,dataset,subject,group,label,source\na,b,c,d,e,f,g\n", "line 2: another number of cells"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ModelError, match=message):
        read_table(tmp_path / "t.csv")
    with pytest.raises(ModelError, match="table not found"):
        read_table(tmp_path / "none.csv")


def test_permuted_labels_keep_totals_and_ignore_order():
    clips = [*rows([6, 6, 6]), *(Row(f"x{i}", "smic_hs", "x", "smic:x", "positive", "m/x") for i in range(5))]
    permuted = permute_labels(clips, seed=1)
    assert permuted == permute_labels(clips[::-1], seed=1) != permute_labels(clips, seed=2)
    assert {r.label for r in permuted if r.dataset == "smic_hs"} == {"positive"}
    assert sorted(r.label for r in permuted) == sorted(r.label for r in clips)
    before = {r.key: r.label for r in clips}
    assert sum(before[r.key] != r.label for r in permuted) > 4
    assert {r.key: (r.group, r.source) for r in permuted} == {r.key: (r.group, r.source) for r in clips}


def test_parse_time_imports_stay_light():
    code = "import sys, mer.models.registry, mer.training.recipe, mer.training.folds, mer.training.fold_tables\n"
    code += "print([m for m in ('torch', 'sklearn', 'cv2', 'scipy') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_database_is_held_out_with_all_its_people_and_releases():
    people = [("casme2:sub01", "casme2"), ("casme2:sub02", "casme2"), ("samm:006", "samm"), ("samm:006", "samm_lv")]
    table = [
        Row(f"clip{k}", dataset, group[-2:], group, "negative", f"{dataset}/{group.replace(':', '-')}")
        for k, (group, dataset) in enumerate(people)
    ]
    found = holdout_database(table[::-1])
    assert [(fold.name, fold.held_out) for fold in found] == [
        ("casme2", ("casme2:sub01", "casme2:sub02")),
        ("samm", ("samm:006",)),
    ]
    for fold in found:
        assert not {r.group for r in fold.train} & {r.group for r in fold.test}
        assert len(fold.train) + len(fold.test) == 4
    with pytest.raises(DatasetError, match=r"clips of one database family \(casme2\); expected at least two"):
        holdout_database(table[:2])
