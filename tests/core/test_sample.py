"""The canonical row survives its file, whatever is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer.core.errors import DatasetError
from mer.core.sample import ActionUnit, Sample, by_subject, media_row, read_index, subject_key, write_index

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00"), max_size=20)
UNITS = st.builds(ActionUnit, st.integers(1, 99), st.sampled_from(["", "L", "R"]), st.sampled_from(["", "A", "A/B"]))
SAMPLES = st.builds(
    Sample,
    dataset=TEXT,
    subject=TEXT,
    group=TEXT,
    sample_id=TEXT,
    video_id=TEXT,
    media_path=TEXT,
    onset=st.none() | st.integers(0, 10**6),
    apex=st.none() | st.integers(0, 10**6),
    fps=st.none() | st.floats(1, 1000),
    emotion_3=st.none() | st.sampled_from(["negative", "positive"]),
    aus=st.lists(UNITS, max_size=3).map(tuple),
    au_notes=st.lists(TEXT.filter(bool), max_size=2).map(tuple),
    reason=TEXT,
)


@given(st.lists(SAMPLES, max_size=4))
def test_rows_survive_the_index_file(tmp_path_factory, samples):
    path = tmp_path_factory.mktemp("index") / "index.csv"
    write_index(path, samples)
    assert read_index(path) == samples


def sample(group, sample_id="a"):
    return Sample("casme2", "sub01", group, sample_id, "v", "p", onset=3, emotion_raw="disgust", emotion_3="negative")


def test_what_the_stages_see_carries_no_label():
    assert "emotion" not in " ".join(media_row(sample("casme2:sub01")))
    assert media_row(sample("casme2:sub01"))["onset"] == 3


def test_subjects_are_grouped_whatever_the_order():
    rows = [sample("b:2", "z"), sample("a:1", "y"), sample("b:2", "x")]
    forward, backward = by_subject(rows), by_subject(rows[::-1])
    assert forward == backward
    assert [(k, [r.sample_id for r in v]) for k, v in forward.items()] == [("a-1", ["y"]), ("b-2", ["x", "z"])]


def test_a_subject_key_is_a_safe_file_name():
    assert subject_key(sample("rld:../../etc/passwd")) == "rld-..-..-etc-passwd"


def test_an_excluded_row_keeps_its_earlier_reason():
    assert sample("a:1").excluded("first").excluded("second").reason == "first; second"


def test_a_foreign_table_is_refused(tmp_path):
    (tmp_path / "index.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="columns differ from the canonical row"):
        read_index(tmp_path / "index.csv")
