"""`mer init`: the right reader for every layout, and for folders of one's own the columns, with a reason for each."""

import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import openpyxl
import pytest
import yaml

from mer.core.errors import ConfigError, DatasetError
from mer.datasets.registry import reader
from mer.planning.catalog import Catalog
from mer.planning.check_target import check_target
from mer.planning.first_config import choose_scheme, write_first_config
from mer.planning.guess_reader import guess_reader
from mer.planning.guess_table import says
from mer.planning.read_config import parse, read_files
from mer.simulate.names import LAYOUTS
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout

SMALL = {"subjects": 3, "clips": 3}


def touch(given: SimulateParams, root: Path) -> Path:
    """Write a layout's tables, and its pictures as empty files: who guesses a reader looks into none."""
    chosen = layout(given.layout)
    chosen.write_tables(given, root)
    recordings = chosen.recordings(given)
    for path in {p.path for r in recordings for n in r.numbers for p in chosen.tree.pictures(given, r, n)}:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def init(root: Path, output: Path, **more: bool) -> tuple[list[str], dict]:
    lines = write_first_config(root, output, **more)
    return lines, yaml.safe_load(output.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_leads_to_its_reader_and_to_a_configuration(name, tmp_path):
    given = SimulateParams.model_validate({"layout": name, **SMALL, "fps": 30, "shortest": 0.3, "longest": 0.42})
    root = touch(given, tmp_path / "data")
    lines, written = init(root, tmp_path / "config.yaml", licence_accepted=True)
    ((key, block),) = written["datasets"].items()
    chosen = layout(name)
    assert block["reader"] == chosen.reader and block["root"] == str(root.resolve())
    for option, value in chosen.cameras[name].options.items():
        assert block["options"][option] == value
    reading = reader(block["reader"]).read(
        root, reader(block["reader"]).options.model_validate(block.get("options", {}))
    )
    usable = sum(row.status == "ok" for row in reading.samples)
    assert usable and f"  {usable} of {len(reading.samples)} clips can be used" in lines
    config = parse(read_files([tmp_path / "config.yaml"]))
    assert list(config.datasets) == [key]
    assert set(config.experiments) == ({"svm_flow", "ststnet"} if "experiments" in written else set())
    # A few simulated people under a release's name are a part of it, unless some count is higher than the owner's.
    if name in ("smic_hs", "meview"):
        with pytest.raises(DatasetError, match="not the release"):
            Catalog(config).reading(key)
    else:
        assert Catalog(config).reading(key).samples
    if chosen.reader == "table":
        assert {name: len(Catalog(config).folds(name)) for name in config.experiments} == {"svm_flow": 3, "ststnet": 3}


def test_a_licence_stays_the_users_word(tmp_path):
    root = touch(SimulateParams(layout="samm", subjects=3, clips=3), tmp_path / "data")
    lines, written = init(root, tmp_path / "config.yaml")
    assert written["datasets"]["samm"]["licence_accepted"] is False
    assert any(line.startswith("  first set datasets.samm.licence_accepted: true after signing") for line in lines)


def test_a_file_is_never_written_over(tmp_path, videos):
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(ConfigError, match=r"config.yaml: exists; .*--output, or write over it with --force"):
        init(videos, tmp_path / "config.yaml")
    assert (tmp_path / "config.yaml").read_text() == "mine"
    init(videos, tmp_path / "config.yaml", force=True)
    assert (tmp_path / "config.yaml").read_text() != "mine"


@pytest.fixture
def videos(tmp_path):
    """Twelve empty videos, of four people by their names."""
    root = tmp_path / "Our clips (2024)"
    root.mkdir()
    for person in range(1, 5):
        for take in range(1, 4):
            (root / f"vp{person:02d}_{take}.mp4").touch()
    return root


ODD = ("Nr", "Datei", "VP", "Anfang", "Höhepunkt", "Ende", "Gefühl", "AE", "Bildrate", "Kommentar")
WORDS = ("Happy", "disgust", "surprise")


def rows(*, spread: int = 10, words: tuple[str, ...] = WORDS) -> list[list[object]]:
    return [
        [
            3 * (person - 1) + take,
            f"vp{person:02d}_{take}",
            person,
            spread * take,
            spread * take + 4,
            spread * take + 9,
            words[(take - 1) % len(words)],
            "4+R12",
            25,
            "ok",
        ]
        for person in range(1, 5)
        for take in range(1, 4)
    ]


def save(path: Path, header: tuple[str, ...], cells: list[list[object]], above: int = 0) -> None:
    book = openpyxl.Workbook()
    for _ in range(above):
        book.active.append(["A title"])
    for row in (header, *cells):
        book.active.append(list(row))
    book.save(path)


def test_odd_headers_of_a_folder_of_videos(tmp_path, videos):
    save(videos / "Kodierung.xlsx", ODD, rows(), above=2)
    lines, written = init(videos, tmp_path / "own.yaml")
    (name,) = written["datasets"]
    block = written["datasets"][name]
    assert name == "Our_clips_2024" and block["reader"] == "table"
    assert block["options"]["columns"] == {
        "clip": "Datei", "subject": "VP", "onset": "Anfang", "apex": "Höhepunkt", "offset": "Ende", "emotion": "Gefühl",
        "units": "AE", "fps": "Bildrate",
    }  # fmt: skip
    assert written["experiments"]["svm_flow"]["view"] == "emotion_3"
    assert set(parse(read_files([tmp_path / "own.yaml"])).experiments) == {"svm_flow", "ststnet"}
    text = (tmp_path / "own.yaml").read_text(encoding="utf-8")
    values = [line for line in text.splitlines() if line.startswith("        ")]
    assert len(values) == 8 and all(" # " in line for line in values)
    assert any("12 of 12 cells name one of the 12 videos" in line for line in values)
    assert "  12 of 12 clips can be used" in lines


def test_headers_that_say_nothing_are_told_by_their_cells(videos):
    save(videos / "t.xlsx", ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10"), rows())
    guess = guess_reader(videos)
    told = {ours: one.value for ours, one in guess.columns.items()}
    assert told == {"clip": "c2", "subject": "c3", "onset": "c4", "apex": "c5", "offset": "c6", "emotion": "c7"}
    assert "ascend through 'c4', 'c5', 'c6' in every row" in guess.columns["apex"].why


def test_words_of_ones_own_become_classes(tmp_path, videos):
    save(videos / "t.xlsx", ODD, rows(words=("smirk", "joy", "blank look")))
    _, written = init(videos, tmp_path / "own.yaml")
    classes = written["views"]["own"]["classes"]
    assert classes == {"blank look": ["blank look"], "joy": ["joy"], "smirk": ["smirk"]}
    assert {block["view"] for block in written["experiments"].values()} == {"own"}
    catalog = Catalog(parse(read_files([tmp_path / "own.yaml"])))
    assert catalog.selection("svm_flow").classes == ("blank look", "joy", "smirk")
    assert len(catalog.folds("svm_flow")) == 4 and len(catalog.selection("svm_flow").rows) == 12


def test_rarer_words_are_named(tmp_path, videos):
    cells = rows(words=("smirk", "joy", "blank look"))
    cells[0][6] = "smrik"
    save(videos / "t.xlsx", ODD, cells)
    lines, _ = init(videos, tmp_path / "own.yaml")
    assert any("rarer ones are left out: smrik" in line for line in lines)


def test_accents_hide_no_header_and_unread_columns_are_named(tmp_path, videos):
    header = ("Nr", "Vídeo", "Sujeto", "INICIO", "Ápex", "Fin", "Emoción", "AU", "fps", "Observaciones")
    save(videos / "t.xlsx", header, rows())
    init(videos.rename(tmp_path / "Vídeos año 1"), tmp_path / "own.yaml")
    text = (tmp_path / "own.yaml").read_text(encoding="utf-8")
    assert "apex: Ápex # by its header" in text and "  Videos_ano_1:" in text
    assert "# columns that nothing reads: 'Nr', 'Observaciones'" in text


def test_of_two_tables_the_other_is_named(tmp_path, videos):
    for name in ("coded.xlsx", "coded_final.xlsx"):
        save(videos / name, ODD, rows())
    lines, written = init(videos, tmp_path / "own.yaml")
    assert next(iter(written["datasets"].values()))["options"]["table"] == "coded.xlsx"
    assert "  not sure: which table is the right one: coded_final.xlsx names clips too" in lines


def test_one_interval_behind_its_clip_leaves_the_counting_told(tmp_path, images):
    root = images(tmp_path / "data", 101)
    cells = [[f"s{k}/c", f"s{k}", 3 * n, 30] for k in (1, 2, 3) for n in (1, 2)]
    save(root / "t.xlsx", ("Folder", "Subject", "Start", "End"), [*cells, ["s3/c", "s3", 3, 400]])
    guess = guess_reader(root)
    assert guess.options["counting"].value == "from_1"
    assert "1 of 7 intervals end behind their clips, see `mer check`" in guess.unsure


def test_classes_need_two_people_and_two_words():
    assert choose_scheme([]) == "0 person with frames: nobody to hold out"


def test_what_the_numbers_count(tmp_path, images):
    for first, counting in ((1, None), (101, "from_1"), (200, "from_1")):
        root = images(tmp_path / str(first), first)
        cells = [[f"s{k}/c", f"s{k}", 3, 20] for k in (1, 2)] + [["s3/c", "s3", 3, 30]]
        save(root / "t.xlsx", ("Folder", "Subject", "Start", "End"), cells)
        guess = guess_reader(root)
        assert guess.options.get("counting", None) is None or guess.options["counting"].value == counting
        assert (counting is None) == ("counting" not in guess.options) and guess.usable == 3
        assert guess.unsure[-1] == "neither images nor table tell the frame rate: add `fps: 200`, or what it was"
    save(
        root / "t.xlsx", ("Folder", "Subject", "Start (s)", "End (s)"), [["s1/c", "s1", 0.1, 0.5], ["s2/c", "s2", 1, 2]]
    )
    with pytest.raises(DatasetError, match=r"`counting: seconds` without a frame rate; .*set `fps`"):
        guess_reader(root)


@pytest.fixture
def images():
    """Make a folder of 30 empty images for each of three people, numbered from `first`."""

    def make(root, first):
        for person in ("s1", "s2", "s3"):
            (root / person / "c").mkdir(parents=True)
            for number in range(first, first + 30):
                (root / person / "c" / f"f{number:04d}.jpg").touch()
        return root

    return make


def test_clips_that_were_cut_out_of_recordings(tmp_path, images):
    root = images(tmp_path / "cut", 1)
    save(
        root / "t.xlsx",
        ("Folder", "Subject", "Start", "End"),
        [[f"s{k}/c", f"s{k}", 100 * k, 100 * k + 29] for k in (1, 2, 3)],
    )
    guess = guess_reader(root)
    assert guess.options["counting"].value == "from_onset" and guess.usable == 3
    assert [(row.onset, row.offset) for row in guess.reading.samples] == [(1, 30)] * 3


@pytest.fixture
def films(tmp_path):
    """Three videos of 20 frames at 25 per second."""
    root = tmp_path / "films"
    root.mkdir()
    for name in ("a", "b", "c"):
        with av.open(str(root / f"{name}.mp4"), "w") as out:
            stream = out.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 25)
            for _ in range(20):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
            out.mux(stream.encode())
    return root


@pytest.mark.parametrize(
    ("onset", "offset", "counting", "fps", "unsure"),
    [
        (0.2, 0.5, "seconds", 25.0, False),
        ("0:00.2", "0:00.5", "seconds", 25.0, False),
        (2, 20, "from_1", None, False),
        (0, 12, "from_0", None, False),
        (2, 12, "from_0", None, True),
        (102, 121, "from_onset", None, False),
        (2, 40, None, None, True),
    ],
)
def test_what_the_videos_tell_of_the_numbers(films, onset, offset, counting, fps, unsure):
    cells = [[f"{name}.mp4", name, onset, offset, "happy"] for name in "abc"]
    save(films / "t.xlsx", ("Video", "Person", "Start", "End", "Emotion"), cells)
    guess = guess_reader(films)
    told = {key: guess.options[key].value for key in ("counting", "fps") if key in guess.options}
    assert told == {key: value for key, value in (("counting", counting), ("fps", fps)) if value is not None}
    assert bool(guess.unsure) == unsure and guess.usable == 3


def test_numbered_folders_of_people_give_a_template(tmp_path):
    for person in (1, 2, 3):
        for clip in ("x", "y"):
            (tmp_path / f"sub{person:02d}" / clip).mkdir(parents=True)
            for number in range(5):
                (tmp_path / f"sub{person:02d}" / clip / f"{number}.png").touch()
    with open(tmp_path / "t.csv", "w", newline="") as handle:
        csv.writer(handle).writerows([["person", "name"], *([p, c] for p in (1, 2, 3) for c in "xy")])
    guess = guess_reader(tmp_path)
    assert guess.options["media"].value == "sub{subject:2}/{clip}" and guess.usable == 6
    assert guess.columns["subject"].value == "person" and guess.unsure[0] == "no column seems to name the emotions"


def test_a_folder_without_a_table(tmp_path, videos):
    _, written = init(videos, tmp_path / "v.yaml")
    (block,) = written["datasets"].values()
    assert block["reader"] == "videos" and block["products"] == ["flow/apex"] and "experiments" not in written
    assert written["frames"] == {"no_event": "whole"}
    parse(read_files([tmp_path / "v.yaml"]))
    for person in ("p1", "p2"):
        (tmp_path / "tree" / person).mkdir(parents=True)
        (tmp_path / "tree" / person / "a.mp4").touch()
    assert guess_reader(tmp_path / "tree").options["subject"].value == "folder"


def test_what_cannot_be_guessed_is_said(tmp_path, videos, images):
    with pytest.raises(DatasetError, match="no such folder"):
        guess_reader(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DatasetError, match="neither videos nor images; found: nothing; expected the folder of a database"
    ):
        guess_reader(tmp_path / "empty")
    with pytest.raises(DatasetError, match=r"folders of images, and no table that says who is on them; .*write one"):
        guess_reader(images(tmp_path / "images", 1))
    save(videos / "t.xlsx", ("File", "Mood"), [[f"vp01_{k}.mp4", "happy"] for k in (1, 2, 3)])
    with pytest.raises(DatasetError, match="column 'File' names the clips, but no column seems to name the people"):
        guess_reader(videos)
    save(videos / "t.xlsx", ("Number", "Subject"), [["x", 1], ["y", 2]])
    with pytest.raises(DatasetError, match=r"no column of t.xlsx names the videos .* e.g. vp01_1.mp4"):
        guess_reader(videos)
    root = touch(SimulateParams(layout="casme2", subjects=2, clips=2), tmp_path / "casme2")
    (root / "CASME2-coding-20190701.xlsx").rename(tmp_path / "kept.xlsx")
    save(root / "CASME2-coding-20190701.xlsx", ("Filename", "Mood"), [["EP02_01f", "happy"]])
    with pytest.raises(DatasetError, match=r"20190701.xlsx is the table of casme2; has sheets 'Sheet'; no header cell"):
        guess_reader(root)
    (tmp_path / "kept.xlsx").rename(root / "CASME2-coding-20190701.xlsx")
    for path in (root / "CASME2_RAW_selected").rglob("*.jpg"):
        path.rename(path.with_name(f"{int(path.stem[3:]) + 9000}.jpg"))
    with pytest.raises(
        DatasetError, match=r"-20190701.xlsx is the table of casme2, but none of its \d+ rows has its frames"
    ):
        guess_reader(root)


def test_words_of_headers():
    assert says("Start frame", "onset") and says("ApexFrame", "apex") and says("被试编号", "subject")
    assert not says("Restart", "onset") and not says("Label", "subject")


def test_a_dataset_of_a_configuration_is_checked(tmp_path, videos):
    save(videos / "t.xlsx", ODD, rows())
    init(videos, tmp_path / "own.yaml")
    root, name, options, signed = check_target(None, "", [tmp_path / "own.yaml"])
    assert (root, name, signed) == (videos, "table", False) and options["columns"]["clip"] == "Datei"
    assert check_target(tmp_path, "casme2", ()) == (tmp_path, "casme2", {}, None)
    with pytest.raises(ConfigError, match="no dataset 'our_clips'; expected Our_clips_2024; did you mean"):
        check_target(None, "our_clips", [tmp_path / "own.yaml"])
    with pytest.raises(ConfigError, match="mer check: no folder; expected ROOT --dataset READER, or --config FILE"):
        check_target(None, "casme2", ())


def test_a_recording_without_an_expression_is_spotted_in_but_not_recognised(tmp_path, images):
    root = images(tmp_path / "long", 1)
    save(root / "t.xlsx", ("Clip", "Subject", "Onset", "Offset"), [["s1/c", "s1", 3, 9], ["s2/c", "s2", None, None]])
    stages = {"align": {"long": {"method": "dlib", "clips": "recordings"}, "short": {"method": "dlib"}}}
    block = {"reader": "table", "root": str(root), "products": ["align/long", "align/short"], "options": {"fps": 30}}
    catalog = Catalog(parse({"datasets": {"mine": block}, **stages}))
    made = {key: catalog.subjects_of("mine", key) for key in ("frames", "align/long", "align/short")}
    assert made == {key: ["table-s1", "table-s2"] for key in made} | {"align/short": ["table-s1"]}
    frames = catalog.config.variants["frames"]
    rows = [row["sample_id"] for subject in made["frames"] for row in catalog.rows("mine", subject, frames)]
    assert rows == ["s1/c", "s1/c-whole", "s2/c-whole"]


def test_recordings_of_a_table_are_planned_for_spotting():
    config = parse(
        {
            "datasets": {
                "mine": {
                    "reader": "table",
                    "simulate": {"layout": "table", "subjects": 2, "clips": 3},
                    "products": ["align/long"],
                }
            },
            "align": {"long": {"method": "dlib", "clips": "recordings"}},
        }
    )
    catalog = Catalog(config)
    (align,) = (variant for variant in config.variants.values() if variant.key == "align/long")
    rows = [
        row for subject in catalog.subjects_of("mine", "align/long") for row in catalog.rows("mine", subject, align)
    ]
    assert [row["sample_id"] for row in rows] == [
        f"P{k:02d}/p{k:02d}_visit{visit}-whole" for k in (1, 2) for visit in (1, 2)
    ]
    assert all(row["onset"] is None for row in rows)
