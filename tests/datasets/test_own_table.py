"""Any clips with a table: media found, frames counted, people kept apart or together, and every fault named."""

import random

import pytest

from mer.core.errors import DatasetError
from mer.core.sample import dumps_index
from mer.core.validation import validate
from mer.datasets.recordings import NOTHING, by_recording, has_recordings, recordings
from mer.datasets.registry import reader
from mer.datasets.table_events import rate_of, seconds_of
from mer.datasets.table_media import Shelf, fill
from mer.datasets.table_options import Columns, Options
from mer.datasets.table_rows import person_key
from mer.testing.readers import CELLS, LISTING, check_rows

READER = reader("table")
PEOPLE = ("a", "b", "c")


@pytest.fixture
def own(tmp_path, frames):
    """Read a CSV table beside three videos and three folders of images (1 to 30); keep the table's text."""
    (tmp_path / "videos").mkdir()
    for name in PEOPLE:
        (tmp_path / "videos" / f"{name}.mp4").touch()
        frames(tmp_path / "images" / name, range(1, 31), "img{:03d}.png")

    def read(text, **options):
        (tmp_path / "clips.csv").write_text(text, encoding="utf-8")
        return READER.read(tmp_path, Options.model_validate(options))

    read.root = tmp_path
    return read


def lines(reading, severity=""):
    return [p.line() for p in reading.problems if p.rule != "V14" and severity in ("", p.severity)]


def test_a_clip_and_a_person_are_enough(own):
    reading = own("Clip,Subject\nvideos/a.mp4,S1\nb.mp4,S2\nimages/c,S3\n", fps=50)
    rows = [(s.sample_id, s.group, s.media_path, s.media_kind, s.onset, s.fps, s.status) for s in reading.samples]
    assert rows == [
        ("S1/a", "table:S1", "videos/a.mp4", "video", None, 50.0, "ok"),
        ("S2/b", "table:S2", "videos/b.mp4", "video", None, 50.0, "ok"),
        ("S3/c", "table:S3", "images/c", "frames", None, 50.0, "ok"),
    ]
    assert lines(reading) == [] and not any(has_recordings(s) for s in reading.samples)
    assert reading.leftovers == ["images/a", "images/b", "videos/c.mp4"]
    assert (reading.samples[2].first_file, reading.samples[2].last_file) == (1, 30)


def test_odd_headers_are_named_in_the_options(own):
    text = "Was;Wer;Von;Mitte;Bis;Gefühl;Muskeln\nimages/a;7;3;9;20;Freude;R12+6\n"
    names = {"clip": "Was", "subject": "wer", "onset": "Von", "apex": "Mitte", "offset": "Bis", "emotion": "GEFÜHL"}
    reading = own(text, columns=names | {"units": "Muskeln"}, emotions={"freude": "happiness"}, fps=100)
    (row,) = reading.samples
    assert (row.onset, row.apex, row.offset, row.apex_source) == (3, 9, 20, "annotated")
    assert (row.emotion_raw, row.emotion_norm, row.emotion_3, row.au_numbers) == (
        "Freude",
        "happiness",
        "positive",
        (6, 12),
    )
    assert lines(reading) == [] and row.release.startswith("clips.csv sha256:")


@pytest.mark.parametrize(
    ("counting", "cells", "expected"),
    [
        ("auto", "3,9,20", (3, 9, 20)),
        ("from_0", "0,8,29", (1, 9, 30)),
        ("from_1", "1,9,30", (1, 9, 30)),
        ("seconds", "0.1,0:00.5,00:00:01.00", (6, 26, 51)),
        ("from_onset", "460,470,489", (1, 11, 30)),
        ("auto", "3,,20", (3, 11, 20)),
    ],
)
def test_what_the_numbers_count(own, frames, counting, cells, expected):
    frames(own.root / "images" / "long", range(1, 61))
    name = "long" if counting == "seconds" else "a"
    text = f"Clip,Subject,Onset,Apex,Offset\nimages/{name},S1,{cells}\n"
    (row,) = own(text, counting=counting, fps=50).samples
    assert (row.onset, row.apex, row.offset) == expected and row.status == "ok"


def test_positions_follow_the_images_that_are_there(own, frames):
    frames(own.root / "gaps", [10, 20, 30, 40, 50], "f{}_left2.png")
    pattern = "Clip,Subject,Onset,Apex,Offset\ngaps/f*_left2.png,S1,1,2,4\n"
    (row,) = own(pattern, counting="from_1", fps=50, may_miss=1).samples
    assert (row.media_path, row.onset, row.apex, row.offset) == ("gaps/f*_left2.png", 10, 20, 40)
    reading = own(pattern.replace("f*_left2.png", ""), fps=50)
    assert "column 'Onset'" not in str(lines(reading))
    assert [s.reason for s in reading.samples] == [
        "f10_left2.png and f20_left2.png have one number; write a pattern whose * is it"
    ]


def test_frames_of_several_clips_in_one_folder(own, frames):
    for clip in ("c1", "c2"):
        frames(own.root / "all", range(5, 15), clip + "_{:04d}.png")
    reading = own("Clip,Subject\nall/c1_%04d.png,S1\nall/c2_####.png,S2\nall/c3_*.png,S2\n", fps=30)
    shown = [(s.sample_id, s.media_path, s.first_file, s.n_files, s.status) for s in reading.samples]
    assert shown[:2] == [("S1/all", "all/c1_*.png", 5, 10, "ok"), ("S2/all", "all/c2_*.png", 5, 10, "ok")]
    assert shown[2][-1] == "missing_media"
    assert "column 'Clip': 'all/c3_*.png' fits none of the 20 images of all" in lines(reading)[0]


def test_intervals_of_a_long_recording_can_be_spotted(own):
    text = "Clip,Subject,Onset,Offset,Emotion\na,S1,3,9,anger\na,S1,20,28,happy\nimages/b,S2,,,\nb.mp4,S2,5,9,anger\n"
    reading = own(text.replace("a,S1", "videos/a,S1"), fps=50)
    assert [s.sample_id for s in reading.samples] == ["S1/a_3", "S1/a_20", "S2/images-b", "S2/videos-b"]
    assert {s.video_id for s in reading.samples} == {"S1/a", "S2/images-b", "S2/videos-b"}
    assert all(map(has_recordings, reading.samples))
    whole = recordings(reading)
    assert [s.sample_id for s in whole] == ["S1/a-whole", "S2/images-b-whole", "S2/videos-b-whole"]
    assert [s.onset for s in by_recording(reading.samples)["videos/a.mp4"]] == [3, 20]
    assert [s.expression_type for s in reading.samples] == ["micro", "micro", NOTHING, "micro"]
    assert lines(reading) == []


def test_databases_are_different_people(own):
    text = "Clip,Subject,Database,Emotion\nvideos/a,1,casme2,anger\nvideos/b,1,samm,anger\nimages/c,1,casme2,fear\n"
    rows = own(text, fps=200).samples
    assert [(s.dataset, s.group, s.sample_id) for s in rows] == [
        ("casme2", "casme2:1", "casme2-1/a"),
        ("samm", "samm:1", "samm-1/b"),
        ("casme2", "casme2:1", "casme2-1/c"),
    ]
    named = own("Clip,Subject\nvideos/a,1\n", database="my study", fps=1).samples
    assert [(s.dataset, s.group) for s in named] == [("my_study", "my_study:1")]


def test_a_template_leads_to_the_media(own, frames):
    frames(own.root / "raw" / "sub01" / "x", range(3))
    frames(own.root / "raw" / "sub02" / "x", range(3))
    text = "Clip,Subject\nx,1\nx,02\n"
    assert [s.media_path for s in own(text, media="raw/sub{subject:2}/{clip}").samples] == [
        "raw/sub01/x",
        "raw/sub02/x",
    ]
    assert [s.media_path for s in own("Clip,Subject\nx,sub01\nx,sub02\n", folder="raw").samples] == [
        "raw/sub01/x", "raw/sub02/x",
    ]  # fmt: skip
    assert "'x' can be 2 of the media: raw/sub01/x, raw/sub02/x; write more of the path" in str(lines(own(text)))
    with pytest.raises(DatasetError, match=r"clips.csv: `media` names 'Subjekt'; .*did you mean 'Subject'"):
        own(text, media="{Subjekt}/{clip}")
    assert fill("{A B}_{n:3}", {"a b": "x", "n": "7"}) == ("x_007", "")


def test_people_in_two_spellings_are_one_and_told(own):
    reading = own("Clip,Subject\nvideos/a,S1\nvideos/b,s01\nvideos/c, S1 \nimages/a,S2\n", fps=9)
    assert [s.group for s in reading.samples] == ["table:S1"] * 3 + ["table:S2"]
    assert lines(reading) == [
        "[V13 warning] clips.csv row 3: column 'Subject': 'S1' (2 rows), 's01' (1 rows) are read as one person; rename "
        "one in the table if they are two people"
    ]
    assert {person_key(text) for text in ("S1", "s01", "s-1 ", "s_001")} == {"s-1"}
    assert len({person_key(text) for text in ("S1", "S10", "S01b", "T1", "S101", "S1-01")}) == 6


def test_words_of_ones_own_are_kept_and_counted(own):
    text = "Clip,Subject,Emotion\nvideos/a,1,smirk\nvideos/b,2,Smirk \nvideos/c,3,joy\nimages/a,1,anger\nimages/b,2,\n"
    reading = own(text, fps=9, emotions={"joy": "happiness", "joyy": "happiness"})
    assert [s.emotion_norm for s in reading.samples] == ["smirk", "smirk", "happiness", "anger", ""]
    assert {s.status for s in reading.samples} == {"ok"}
    assert lines(reading) == [
        "[V05 warning] clips.csv: column 'Emotion' is blank in 1 rows, which have no class",
        "[V05 warning] clips.csv: column 'Emotion' has words that no shipped class scheme takes: 'smirk' (2); kept as "
        "they are; map them by `emotions`, or name them in a class scheme of your own",
        "[V05 warning] clips.csv: `emotions` maps 'joyy', which no cell of column 'Emotion' says; did you mean 'joy'?",
    ]


def test_rare_words_that_are_like_usual_ones_are_told(own):
    words = ["smirk", "Smirk", "smirk", "smrik", "joy", "toy"]
    reading = own("Clip,Subject,Emotion\n" + "".join(f"{'abc'[i % 3]},{i % 3},{w}\n" for i, w in enumerate(words)))
    told = [line for line in lines(reading) if "much like" in line]
    assert told == ["[V05 warning] clips.csv: column 'Emotion': 'smrik' (1) is much like 'smirk' (3)"]


HEAD = "Clip,Subject,Start,Peak,End,FPS\n"
NAMES = {"onset": "Start", "apex": "Peak", "offset": "End"}


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("videos/d,S1,1,2,3,", "[V09 error] {} (S1/videos-d_1): column 'Clip': no video or folder of images"),
        ("../a.mp4,S1,1,2,3,", "[V09 error] {} (S1/..-a_1): column 'Clip': '../a.mp4' leaves the root; expected"),
        ("/etc/a.mp4,S1,1,2,3,", "column 'Clip': '/etc/a.mp4' leaves the root; expected a path below it, without '..'"),
        ("C:\\a.mp4,S1,1,2,3,", "column 'Clip': 'C:/a.mp4' leaves the root; expected a path below it, without '..'"),
        ("images/a/img001.png,S1,,,,", "is one image; expected its folder, or a pattern such as 'images/a/img*.png'"),
        ("a,S1,1,2,3,", "column 'Clip': 'a' can be 2 of the media: videos/a.mp4, images/a; write more of the path"),
        (",S1,1,2,3,", "[V09 error] {} (S1/__1): column 'Clip' is blank"),
        ("images/a,,1,2,3,", "[V13 error] {} (_/a): column 'Subject' is blank; merged cells hold a value in their"),
        ("images/a,S1,20,,10,", "[V07 error] {} (S1/a): column 'Start' (onset 20) is not before column 'End'"),
        ("images/a,S1,3,25,20,", "column 'Peak' (apex 25) lies outside onset 3 to offset 20; correct it"),
        ("images/a,S1,,5,20,", "column 'Start' is blank where column 'End' (offset 20) is not; fill in both"),
        ("images/a,S1,early,5,20,", "[V07 error] {} (S1/a): column 'Start': 'early' is not a frame number"),
        ("images/a,S1,0.5,1,20,", "column 'Start': '0.5' is not a frame number; are these times? set"),
        ("images/a,S1,25,,60,", "[V10 error] {} (S1/a): 30 of 36 frames missing: 31, 32, 33, 34, 35, …; on disk 1..30"),
        ("images/a,S1,1,2,9,0", "[V21 error] {} (S1/a): column 'FPS': '0' is not a number of frames per second"),
        ("images/a,S1,1,2,9,fast", "[V21 error] {} (S1/a): column 'FPS': 'fast' is not a number of frames per second"),
    ],
)  # fmt: skip
def test_a_bad_row_is_left_out_with_its_row_and_column(own, row, line):
    reading = own(f"{HEAD}images/b,S2,1,5,9,30\n{row}\n", columns=NAMES, fps=None if "V21" in line else 30)
    assert reading.samples[0].status == "ok" and reading.samples[1].status != "ok"
    (told,) = lines(reading, "error")
    assert line.format("clips.csv row 3") in told and "\n" in dumps_index(reading.samples)
    assert told.partition(": ")[2] == reading.samples[1].reason


def test_rows_that_say_the_same_or_contradict(own):
    text = "Clip,Subject,Emotion\nvideos/a,S1,fear\nvideos/a,S1,fear\nvideos/b,S1,fear\nvideos/b,S1,anger\n"
    reading = own(text, fps=9)
    assert [s.status for s in reading.samples] == ["ok", "excluded", "excluded", "excluded"]
    assert [p.message for p in reading.problems if p.rule == "V12"] == [
        "occurs 2 times (rows 2, 3); the first is kept",
        "occurs 2 times (rows 4, 5) with different cells",
    ]
    shared = own("Clip,Subject,Onset,Offset\nvideos/a,S1,1,5\nvideos/a,S2,7,9\nvideos/b,S2,1,5\n", fps=9)
    assert [s.status for s in shared.samples] == ["excluded", "excluded", "ok"]
    assert lines(shared)[0].endswith("videos/a.mp4 is named with 2 people: S1, S2 (rows 2, 3); correct the table")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("Clip,Who\na,1\n", {}, "clips.csv: no column is known to be the subject; present: 'Clip', 'Who'; expected"),
        ("Clip,Subject\na,1\n", {"columns": {"onset": "Clipp"}}, "no column 'Clipp', which `columns.onset` names; .*"
         r"did you mean 'Clip'\?"),
        ("Our study\n\nDatei,VP\na,1\n", {"columns": {"clip": "Datei", "subject": "VPN"}},
         r"no column 'VPN', which `columns.subject` names; expected a header of the table; did you mean 'VP'\?"),
        ("Our study\n\nDatei,VP\na,1\n", {}, "no column is known to be the clip; present: 'Datei', 'VP'; expected"),
        ("Clip,Subject,X,x \na,1,2,3\n", {"columns": {"onset": "X"}}, r"column 'X' \(onset\) is there 2 times"),
        ("Clip,Subject\n", {}, "row 1 is the header, and no row is below it; expected a row for each clip"),
        ("Clip,Subject\na,1\n", {"sheet": "Data"}, "no sheet 'Data'; expected one of 'clips'; correct `sheet`"),
        ("Clip,Subject\na,1\n", {"folder": "nowhere"}, "table: nowhere: no such folder"),
        ("Clip,Subject\na,1\n", {"folder": "../"}, "is not a path below the dataset root"),
        ("Clip,Subject\na,1\n", {"table": "else.csv"}, "table: else.csv: annotation not found"),
        ("Clip,Subject,Start,End\na,1,0.1,0.2\n", {"counting": "seconds"}, "`counting: seconds` without a frame rate"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_stops_at_once(own, text, options, message):
    with pytest.raises(DatasetError, match=message) as caught:
        own(text, **options)
    assert "\n" not in str(caught.value)


def test_a_column_that_is_mapped_twice_is_refused():
    with pytest.raises(Exception, match="onset and offset are both the column 'frame '; name it once") as caught:
        validate(Options, {"columns": {"onset": "Frame", "offset": "frame "}}, "config.yaml", "datasets.own.options")
    assert str(caught.value).startswith("config.yaml: datasets.own.options.columns: bad value: onset and")
    with pytest.raises(Exception, match=r"options.columns.onsett: unknown key; did you mean 'onset'\?"):
        validate(Options, {"columns": {"onsett": "Frame"}}, "config.yaml", "datasets.own.options")


def test_two_tables_or_sheets_are_not_chosen_among(own, workbook):
    sheet = [["Clip", "Subject"], ["videos/a", "S1"]]
    workbook(own.root / "second.xlsx", {"one": [["Notes"]], "two": sheet})
    with pytest.raises(
        DatasetError, match=r"2 tables: clips.csv, second.xlsx; expected one; name the right one in `table`"
    ):
        own("Clip,Subject\nvideos/a,S1\n")
    assert [s.sample_id for s in own("", table="second.xlsx").samples] == ["S1/a"]
    workbook(own.root / "second.xlsx", {"one": sheet, "two": [["some title"], [], *sheet]})
    with pytest.raises(DatasetError, match=r"sheets 'one', 'two' all have the columns; .*name one in `sheet`"):
        own("", table="second.xlsx")
    reading = own("", table="second.xlsx", sheet="Two")
    assert len(reading.samples) == 1 and reading.rows == {"S1/a": 4}


def test_images_without_a_frame_rate_are_told(own):
    assert lines(own("Clip,Subject\nimages/a,S1\nvideos/b,S2\n")) == [
        "[V21 warning] clips.csv: 1 clips of images have no frame rate, e.g. S1/a; their times are unknown; set `fps`, "
        "or name a column in `columns.fps`"
    ]


def test_clips_that_were_cut_and_numbered_anew_are_told(own):
    text = "Clip,Subject,Onset,Apex,Offset\nimages/a,S1,460,470,489\nimages/b,S2,46,50,75\n"
    reading = own(text, fps=50)
    assert {s.status for s in reading.samples} == {"missing_media"}
    assert lines(reading)[-1] == (
        "[V10 warning] clips.csv (S1/a): the images of 2 clips have other numbers than their rows, e.g. images/a: 1 to "
        "30; set `counting: from_onset` where a clip begins at its onset"
    )
    assert lines(own(text, fps=50, counting="from_onset")) == [
        "[V19 warning] clips.csv row 2 (S1/a): 0.60 s for a micro-expression",
        "[V19 warning] clips.csv row 3 (S2/b): 0.60 s for a micro-expression",
    ]
    far = own(text.replace("489", "500"), fps=50, counting="from_onset")
    assert "column 'Offset': 500 lies outside the 30 images of the clip, which begin at the onset 460" in str(
        lines(far)
    )
    (row, _) = own(text.replace("images/", "videos/"), fps=50, counting="from_onset").samples
    assert (row.onset, row.apex, row.offset) == (0, 10, 29)


def test_numbers_that_a_spreadsheet_shortened_still_find_their_file():
    shelf = Shelf({("", ""): ["d/001.mp4", "d/02.mp4", "e/10/1.png"]})
    assert [shelf.find(text).path for text in ("1", "0002", "e/010/")] == ["d/001.mp4", "d/02.mp4", "e/10"]
    assert len(shelf) == 3


def test_times_and_rates():
    assert [seconds_of(t) for t in ("1.5", "1,5", "1:01.5", "01:00:00", "x", "")] == [
        1.5,
        1.5,
        61.5,
        3600.0,
        None,
        None,
    ]
    assert [rate_of(t) for t in ("29,97", "25", "0", "-1", "nan", "1e9", "")] == [29.97, 25.0, *[None] * 5]


@pytest.mark.parametrize("counting", ["auto", "from_0", "from_1", "from_onset", "seconds"])
def test_rows_of_any_cells_are_canonical(counting):
    draw, names = random.Random(counting), [field.capitalize() for field in Columns.model_fields]
    cells = (*CELLS, "a", "a/*.jpg", "c.mp4", "b/12.jpg", "0:01.5", "25", "micro")
    for _ in range(150):
        rows = [{name: draw.choice(cells) for name in names} for _ in range(draw.randrange(1, 6))]
        check_rows(READER, rows, Options(counting=counting, fps=25), LISTING)
