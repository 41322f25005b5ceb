"""SMIC: everything is in the folder names."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets.smic import READER, Options, clip_name

read, scan = READER.read, READER.scan


def test_clips_from_folders(tmp_path, frames, rules):
    hs = tmp_path / "SMIC_all_raw" / "HS"
    frames(hs / "s3" / "micro" / "negative" / "s3_ne_01", range(559740, 559770), "image{}.bmp")
    frames(
        hs / "s3" / "micro" / "positive" / "s3_po_08",
        [n for n in range(100, 150) if n not in (120, 121)],
        "image{:06d}.bmp",
    )
    frames(hs / "s3" / "micro" / "surprise" / "s3_ne_02", range(11), "image{}.bmp")
    frames(hs / "s3" / "non_micro" / "s3_ne_07", range(5), "image{}.bmp")
    (hs / "s18" / "micro" / "surprise" / "s18_sur_03").mkdir(parents=True)
    frames(
        tmp_path / "SMIC_all_raw" / "VIS" / "s11" / "micro" / "positive" / "s11_po_01", range(12345, 12355), "{}.bmp"
    )
    reading = read(tmp_path, Options())
    rows = {s.sample_id: s for s in reading.samples}
    assert list(rows) == ["s03/s03_ne_01", "s03/s03_ne_02", "s03/s03_po_08", "s18/s18_sur_03"]
    first = rows["s03/s03_ne_01"]
    assert (first.dataset, first.group, first.emotion_norm, first.fps) == ("smic_hs", "smic:s03", "negative", 100.0)
    assert (first.onset, first.apex, first.offset, first.apex_source) == (559740, 559754, 559769, "midpoint")
    assert rows["s03/s03_po_08"].status == "ok" and "2 of 50 frames missing: 120, 121" in rows["s03/s03_po_08"].notes[0]
    assert (
        rows["s03/s03_ne_02"].status == "excluded"
        and "folder surprise but the name says negative" in rows["s03/s03_ne_02"].reason
    )
    assert rows["s18/s18_sur_03"].status == "missing_media"
    assert rules(reading) == {
        ("V10", "s03/s03_po_08"),
        ("V13", "s03/s03_ne_02"),
        ("V09", "s18/s18_sur_03"),
        ("V04", ""),
    }
    other = read(tmp_path, Options(modality="vis")).samples
    assert [(s.dataset, s.group, s.onset, s.fps) for s in other] == [("smic_vis", "smic:s11", 12345, 25.0)]
    assert read(tmp_path, Options(apex="exclude")).samples[0].status == "excluded"


def test_missing_trees(tmp_path, frames):
    with pytest.raises(DatasetError, match=r"no such folder; found: nothing; expected SMIC_all_raw/"):
        read(tmp_path, Options())
    frames(tmp_path / "SMIC_all_raw" / "HS" / "other", [1])
    with pytest.raises(DatasetError, match="no clip folder"):
        read(tmp_path, Options())


def test_the_same_clip_in_two_paddings(tmp_path, frames):
    frames(tmp_path / "SMIC_all_cropped" / "HS" / "s1" / "micro" / "s1_ne_01", [1])
    frames(tmp_path / "SMIC_all_cropped" / "HS" / "s01" / "micro" / "s01_ne_1", [1])
    with pytest.raises(DatasetError, match="clip s01_ne_01 is there twice"):
        scan(tmp_path, Options(view="cropped"))


@pytest.mark.parametrize("text", ["s3_ne_", "s3_xx_01", "3_ne_01", "s3_ne_01_b", ""])
def test_other_names_are_no_clips(text):
    assert clip_name(text) is None
    assert clip_name("S003_SUR_1") == ("s03", "s03_sur_01", "surprise")
