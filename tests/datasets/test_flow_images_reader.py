"""The published flow images, on an invented csv and empty PNGs."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets.flow_images import READER, Options
from mer.datasets.views import view_of

read, samples_from = READER.read, READER.samples_from

CSV = "combined_3_class2_for_optical_flow.csv"
HEADER = "dataset,sub,filename_o,label,apex,imagename,sub_filename\n"
ROWS = ["smic,s07,s07_po_09,1,,a,", "casme2,sub31,EP50_01f,0,,b,", "samm,6,006_9_2,2,,c,", "samm,007,007_9_1,0,,d,"]


@pytest.fixture
def root(tmp_path):
    images = tmp_path / "datasets" / "STSNet_whole_norm_u_v_os"
    images.mkdir(parents=True)
    for name in ("s07_s07_po_09 .png", "sub31_EP50_01f .png", "006_006_9_2 .png", "007_007_9_1.png", "notes.txt"):
        (images / name).touch()
    (tmp_path / CSV).write_text(HEADER + "\n".join(ROWS) + "\n", encoding="utf-8")
    return tmp_path


def test_rows_keep_their_database(root, rules):
    reading = read(root, Options())
    smic, casme2, samm, other = reading.samples
    assert [s.dataset for s in reading.samples] == ["smic_hs", "casme2", "samm", "samm"]
    assert [s.group for s in reading.samples] == ["smic:s07", "casme2:sub31", "samm:006", "samm:007"]
    assert [s.emotion_3 for s in reading.samples] == ["positive", "negative", "surprise", "negative"]
    assert [view_of("megc2019").class_of(s) for s in reading.samples] == [
        "positive",
        "negative",
        "surprise",
        "negative",
    ]
    assert smic.media_path == "datasets/STSNet_whole_norm_u_v_os/s07_s07_po_09 .png"
    assert samm.media_path.endswith("/006_006_9_2 .png") and other.media_path.endswith("/007_007_9_1.png")
    assert (casme2.media_kind, casme2.status, casme2.fps, smic.fps) == ("flow_image", "ok", 200.0, 100.0)
    assert rules(reading) == {("V04", "")}
    text = reading.problems[0].message
    assert "rows 4 (release: 442)" in text and "subjects 4 (release: 68)" in text


def test_faults_of_a_copy(root, rules):
    lines = [
        *ROWS,
        "smic,s04,s04_ne_01,0,,,",
        "casme2,sub31,EP50_01f,1,,,",
        "samm,8,x,7,,,",
        "mmew,S01,y,1,,,",
        ",,,,,,",
    ]
    (root / CSV).write_text(HEADER + "\n".join(lines) + "\n")
    (root / "datasets" / "STSNet_whole_norm_u_v_os" / "s99_s99_ne_01 .png").touch()
    reading = read(root, Options())
    status = {s.sample_id: (s.status, s.reason) for s in reading.samples}
    assert status["s04/s04_ne_01"] == ("missing_media", "image s04_s04_ne_01 .png not found")
    assert status["sub31/EP50_01f"][0] == status["sub31/EP50_01f-copy2"][0] == "excluded"
    assert status["008/x"] == ("excluded", "label '7' is not 0, 1 or 2")
    assert "not a subject of smic, casme2 or samm" in status["S01/y"][1]
    assert len(reading.samples) == 8
    assert ("V14", "") in rules(reading)


def test_options_name_other_places(root):
    (root / "datasets" / "STSNet_whole_norm_u_v_os").rename(root / "mine")
    (root / CSV).rename(root / "mine.csv")
    assert len(read(root, Options(images="mine", table="mine.csv")).samples) == 4
    with pytest.raises(DatasetError, match="no such folder"):
        read(root, Options(images="other", table="mine.csv"))
    with pytest.raises(DatasetError, match=r"found: datasets/, mine/, mine.csv; .*name the folder in `images`"):
        read(root, Options(table="mine.csv"))
    with pytest.raises(DatasetError, match="annotation not found"):
        read(root, Options(images="mine"))
