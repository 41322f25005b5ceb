"""SAMM long videos: rounded frames, unknown onsets, one name for two movements, emotions from SAMM."""

from mer.datasets.samm_lv import READER, Options, whole_frame

read = READER.read

HEADER = [
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset",
    "Apex",
    "Offset",
    "Duration",
    "Type",
    "Action Units",
    "Notes",
]
ROWS = [
    ["006", "006_1_2", 1, 122.5, 140, 160.4, 0, "Micro - 1/2", "L12 or L14", None],
    ["006", "006_1_3", 1, 200, -1, 290, 91, "Macro", "4+soft focus", None],
    [6, "006_1_4", 1, 0, 20, 90, 91, "Macro", 4, None],
    ["037", "037_4_1", 1, 10, 20, 30, 21, "Macro", 4, None],
    ["037", "037_4_1", 1, 40, 50, 60, 21, "Micro - 1/2", 4, None],
    ["020", "020_6_5", 1, 4900, 4950, 5476, 0, "Macro", 4, None],
]


def test_a_release_with_its_quirks(tmp_path, workbook, frames, rules):
    preamble = [["SAMM Long Videos"]] + [[None]] * 8
    workbook(tmp_path / "SAMM_LongVideos_V2_Release.xlsx", {"FACS_Movement_Only": [*preamble, HEADER, *ROWS]})
    micro = [["Subject", "Filename", "Estimated Emotion"], ["006", "006_1_2", "Happiness"]]
    workbook(tmp_path / "SAMM" / "SAMM_Micro_FACS_Codes_v2.xlsx", {"s": micro})
    top = tmp_path / "SAMM_longvideos"
    frames(top / "006_1", range(1, 300), "006_1_{:04d}.jpg")
    frames(top / "037_4", range(1, 100), "037_4_{:05d}.jpg")
    frames(top / "020_6", range(4890, 5002), "020_6_{:04d}.jpg")
    reading = read(tmp_path, Options())
    first, second, third, fourth, fifth, sixth = reading.samples
    assert (first.sample_id, first.video_id, first.group) == ("006/006_1_2-micro", "006/006_1", "samm:006")
    assert (first.onset, first.apex, first.offset) == (123, 140, 160)
    assert (first.emotion_raw, first.emotion_3, first.view) == ("Happiness", "positive", "long")
    assert (second.apex, second.apex_source, second.emotion_norm) == (245, "midpoint", "")
    assert second.au_notes == ("soft focus",)
    assert "began before the video" in third.reason and reading.left_out == {2}
    assert not [p for p in reading.problems if p.severity == "error"]
    assert (fourth.sample_id, fifth.sample_id) == ("037/037_4_1-macro", "037/037_4_1-micro")
    assert fourth.status == fifth.status == "ok"
    assert (sixth.offset, sixth.status) == (5001, "ok")
    assert sixth.errata == ("020_6_5 offset 5476->5001",)
    assert read(tmp_path, Options(unknown_onset="keep")).samples[2].status == "ok"
    assert read(tmp_path, Options(types="micro")).samples[1].status == "excluded"


def test_half_frames_round_up():
    assert [whole_frame(t) for t in ("123.5", "123.4", "12", "-1", "x.5")] == ["124", "123", "12", "-1", "x.5"]
