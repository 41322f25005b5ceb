"""MMEW: clips by name, emotion code as a check, corrections only where the frames are there."""

import pytest

from mer.datasets.mmew import READER, Options

read, samples_from = READER.read, READER.samples_from

HEADER = [
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
    "remarks",
]


def cells(*values):
    return dict(zip(HEADER, (*map(str, values), ""), strict=True))


def clips(name, last):
    return {(name[:3], name): [f"m/{name}/{n}.jpg" for n in range(1, last + 1)]}


def test_both_layouts_and_the_misnamed_folder(tmp_path, workbook, frames, rules):
    rows = [
        [3, "S03-01-002", 1, 10, 30, "12L", "happiness"],
        [3, "S03-04-001", 1, 10, 30, "L4+7", "others"],
        [3, "S03-07-001", 1, 10, 30, 4, "anger"],
        [3, "S03-02-001", 1, 10, 30, 4, "anger"],
        [4, "S03-02-002", 1, 10, 30, 4, "surprise"],
    ]
    workbook(tmp_path / "MMEW_Micro_Exp(20).xlsx", {"Sheet1": [HEADER, *rows]})
    top = tmp_path / "MMEW_Final" / "Micro_Expression"
    frames(top / "happiness" / "S03-01-002", range(1, 31), "{}.jpg")
    frames(top / "repression" / "S03-04-001", range(1, 41), "{}.jpg")
    frames(top / "S03" / "anger" / "S03-07-001", range(1, 31), "{}.jpg")
    frames(top / "surprise" / "S03-02-001", range(1, 31), "{}.jpg")
    frames(top / "surprise" / "S03-02-002", range(1, 31), "{}.jpg")
    reading = read(tmp_path, Options())
    assert [s.status for s in reading.samples] == ["ok", "ok", "ok", "excluded", "excluded"]
    assert [s.emotion_norm for s in reading.samples[:3]] == ["happiness", "others", "anger"]
    assert reading.samples[1].media_path.endswith("repression/S03-04-001")
    assert reading.samples[0].aus[0].side == "L"
    assert "code 02 of the name means surprise" in reading.samples[3].reason
    assert "Subject '4' but Filename 'S03-02-002'" in reading.samples[4].reason
    assert ("V11", "S03/S03-04-001") in rules(reading)


@pytest.mark.parametrize(
    ("last", "errata", "interval", "applied"),
    [(75, True, (40, 75), 2), (40, True, (27, 40), 0), (75, False, (27, 40), 0)],
)
def test_corrections_need_the_frames(last, errata, interval, applied):
    table = [cells(4, "S04-01-001", 1, 27, 40, 12, "happiness")]
    sample = samples_from(table, clips("S04-01-001", last), Options(), "r", errata).samples[0]
    assert ((sample.apex, sample.offset), len(sample.errata), sample.status) == (interval, applied, "ok")
