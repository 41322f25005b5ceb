"""CAS(ME)^3 part C: frames counted in order, not by name."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets.casme3c import READER, Options

read, samples_from = READER.read, READER.samples_from

HEADER = ["sub", "count", "onset", "offset", "au", "emotion"]


def cells(*values):
    return dict(zip(HEADER, map(str, values), strict=True))


def test_a_release_with_dropped_frames(tmp_path, workbook, frames, rules):
    rows = [[4, 1, 3, 6, "4,7，", "negative"], [4, 2, 8, 11, "12, 13?", "Positive"], [5, 1, 40, 45, "", "others"]]
    workbook(tmp_path / "CAS(ME)3_part_C_ME.xlsx", {"mockCrimeME": [HEADER, *rows]})
    numbers = [n for n in range(100, 120) if n not in (103, 104)]
    frames(tmp_path / "part_C" / "spNO.4" / "color", numbers, "{}.jpg")
    frames(tmp_path / "part_C" / "spNO.4" / "depth", numbers, "{}.png")
    frames(tmp_path / "part_C" / "spNO.5" / "color", range(1, 20), "{}.jpg")
    reading = read(tmp_path, Options())
    first, second, third = reading.samples
    assert (first.sample_id, first.group, first.dataset) == ("sub04/c/3", "casme3c:sub04", "casme3c")
    assert (first.onset, first.apex, first.offset, first.apex_source) == (102, 104, 107, "midpoint")
    assert "images 3 to 6 in order are files 102 to 107" in first.notes
    assert (first.au_numbers, second.au_numbers, second.aus[1].uncertain) == ((4, 7), (12, 13), True)
    assert (second.emotion_norm, second.emotion_4, second.media_path) == ("positive", "positive", "part_C/spNO.4/color")
    assert third.status == "excluded" and "not among the 19 images in order" in third.reason
    assert rules(reading) == {("V10", "sub05/c/40"), ("V10", "sub04/c/3"), ("V04", "")}


@pytest.mark.parametrize(
    ("options", "interval"),
    [
        (Options(), (12, 15)),
        (Options(first_index=0), (13, 16)),
        (Options(index="number"), (3, 6)),
    ],
)
def test_what_the_index_means_is_an_option(options, interval):
    listing = {("sub04", "c"): [f"4/{n}.jpg" for n in range(10, 30)]}
    sample = samples_from([cells(4, 1, 3, 6, "4", "negative")], listing, options, "r").samples[0]
    assert (sample.onset, sample.offset) == interval
    assert sample.status == ("missing_media" if options.index == "number" else "ok")


def test_two_recordings_of_one_subject_are_refused(tmp_path, workbook, frames):
    workbook(tmp_path / "CAS(ME)3_part_C_ME.xlsx", {"mockCrimeME": [HEADER, [4, 1, 3, 6, "4", "negative"]]})
    for name in ("a", "b"):
        frames(tmp_path / "4" / name, range(1, 9), "{}.jpg")
    with pytest.raises(DatasetError, match=r"4/b: clip sub04/c is there twice, here and in 4/a"):
        read(tmp_path, Options())
