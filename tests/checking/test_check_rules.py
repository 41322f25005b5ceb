"""`mer check`: every validation rule by its exact words and its exit status, one fault at a time."""

import shutil

import pytest
from small_release import SELECTED, TABLE, picture, write_images, write_table

from mer.checking.check import check
from mer.core.errors import ConfigError

EP02 = f"{SELECTED}/sub01/EP02_01f"


def look(release, **kwargs):
    return check(release.write(), "casme2", **{"licence_accepted": True, **kwargs})


def cell(row, column, value):
    def change(release):
        release.rows[row][column] = value

    return change


def remove(*names):
    def change(release):
        for name in names:
            path = release.root / SELECTED / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def add(folder, numbers, **kwargs):
    return lambda release: write_images(release.root / SELECTED / folder, numbers, **kwargs)


def overwrite(name, data):
    return lambda release: (release.root / SELECTED / name).write_bytes(data)


def both(*changes):
    def change(release):
        for one in changes:
            one(release)

    return change


def small_images(release):
    write_images(release.root / SELECTED / "sub01" / "EP02_01f", range(10, 30), size=(320, 240))


def long_clip(release):
    release.rows[0][5] = 119
    write_images(release.root / SELECTED / "sub01" / "EP02_01f", range(10, 120))


def same_twice(release):
    shutil.rmtree(release.folder(release.rows[3]))
    release.rows[3] = list(release.rows[2])


def another_release_of_a_corrected_row(release):
    release.rows[3][:6] = [16, "EP01_08", None, 40, 50, 59]
    release.rows[2][0] = 16
    write_images(release.root / SELECTED / "sub16" / "EP01_08", range(40, 60))
    (release.root / SELECTED / "sub02" / "EP02_01f").rename(release.root / SELECTED / "sub16" / "EP02_01f")
    shutil.rmtree(release.root / SELECTED / "sub02")


def test_a_clean_download_is_usable(release, small):
    report = look(release)
    assert (report.exit_code, report.problems, report.leftovers) == (0, (), ())
    assert report.rows == {"ok": 4} and report.subjects == 2 and report.left_out == 0
    assert (report.images, report.decoded, report.sizes) == (80, 12, {"640x480": 80})
    assert [(c.what, c.found, c.expected, c.status, c.ok) for c in report.counts] == [
        ("rows", 4, 4, "verified", True),
        ("subjects", 2, 2, "verified", True),
    ]
    assert report.verdict == "usable: 4 of 4 rows"


CASES = {
    "V06": (
        cell(0, 4, "/"),
        0,
        f"[V06 warning] {TABLE} row 2 (sub01/EP02_01f): no usable apex ('/'); policy: midpoint",
    ),
    "V07": (
        cell(0, 4, 90),
        1,
        f"[V07 error] {TABLE} row 2 (sub01/EP02_01f): onset 10, apex 90, offset 29 are out of order; "
        "no known fix: add one to errata.csv or exclude the row",
    ),
    "V08": (
        cell(0, 4, 10),
        0,
        f"[V08 warning] {TABLE} row 2 (sub01/EP02_01f): apex equals onset: onset-apex flow would be zero; "
        "policy: midpoint",
    ),
    "V09": (
        remove("sub01/EP02_01f"),
        1,
        f"[V09 error] {TABLE} row 2 (sub01/EP02_01f): no frames found; nearest folders: sub01/EP03_02",
    ),
    "V10 error": (
        remove(*(f"sub01/EP02_01f/img{n}.jpg" for n in range(20, 30))),
        1,
        f"[V10 error] {TABLE} row 2 (sub01/EP02_01f): 10 of 20 frames missing: 20, 21, 22, 23, 24, …; on disk 10..19",
    ),
    "V10 warning": (
        remove("sub01/EP02_01f/img12.jpg"),
        0,
        f"[V10 warning] {TABLE} row 2 (sub01/EP02_01f): 1 of 20 frames missing: 12; on disk 10..29",
    ),
    "V10 twice": (
        add("sub01/EP02_01f", [12], pattern="img0{}.jpg"),
        1,
        f"[V10 error] {TABLE} row 2 (sub01/EP02_01f): sub01/EP02_01f: '{EP02}/img012.jpg' and '{EP02}/img12.jpg' "
        "are both frame 12; expected one file per frame; remove one",
    ),
    "V12": (
        same_twice,
        1,
        f"[V12 error] {TABLE} row 4 (sub02/EP02_01f): occurs 2 times (rows 4, 5); the first is kept",
    ),
    "V13": (cell(3, 1, " "), 1, f"[V13 error] {TABLE} row 5 (sub02/_): Filename is blank"),
    "V14": (
        add("sub02/EP99_01", range(3)),
        0,
        f"[V14 warning] {TABLE}: 1 folders have no annotation, e.g. sub02/EP99_01",
    ),
    "V14 name": (
        add("somebody/EP99_01", range(3)),
        0,
        f"[V14 warning] {TABLE}: 1 folders of images are not named like clips, e.g. {SELECTED}/somebody/EP99_01",
    ),
    "V15 empty": (
        overwrite("sub01/EP02_01f/img11.jpg", b""),
        1,
        f"[V15 error] {EP02}/img11.jpg (sub01/EP02_01f): cannot decode: empty file",
    ),
    "V15 foreign": (
        overwrite("sub01/EP02_01f/img11.jpg", b"<html>login</html>"),
        1,
        f"[V15 error] {EP02}/img11.jpg (sub01/EP02_01f): cannot decode: not a JPEG, PNG, BMP or TIFF file",
    ),
    "V15 cut": (
        overwrite("sub01/EP02_01f/img10.jpg", picture(640, 480)[:-200]),
        1,
        f"[V15 error] {EP02}/img10.jpg (sub01/EP02_01f): cannot decode: cut short (a JPEG file without its end marker)",
    ),
    "V15 size": (
        overwrite("sub01/EP02_01f/img11.jpg", picture(320, 240)),
        1,
        f"[V15 error] {EP02}/img11.jpg (sub01/EP02_01f): size 320x240 differs from 640x480 (1 of 20 images)",
    ),
    "V16 size": (
        small_images,
        0,
        f"[V16 warning] {EP02}/img10.jpg (sub01/EP02_01f): 320x240x3; expected 640x480x3; another view?",
    ),
    "V16 grey": (
        add("sub01/EP02_01f", range(10, 30), grey=True),
        0,
        f"[V16 warning] {EP02}/img10.jpg (sub01/EP02_01f): 640x480x1; expected 640x480x3; another view?",
    ),
    "V17": (
        cell(0, 7, "4+glare"),
        0,
        f"[V17 warning] {TABLE} row 2 (sub01/EP02_01f): AU '4+glare': read 4, not understood: glare",
    ),
    "V18": (
        another_release_of_a_corrected_row,
        0,
        f"[V18 warning] {TABLE} row 5 (sub16/EP01_08): correction 'sub16/EP01_08 offset 110->96' expects '110', "
        "table has '59': not applied",
    ),
    "V19": (long_clip, 0, f"[V19 warning] {TABLE} row 2 (sub01/EP02_01f): 0.55 s for a micro-expression"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_fault_gives_one_line_and_its_status(release, small, case):
    change, status, line = CASES[case]
    change(release)
    report = look(release)
    assert line in [problem.line() for problem in report.problems]
    assert report.exit_code == status, report.verdict
    assert report.exit_code == 2 or report.verdict.startswith("usable")
    strict = look(release, strict=True)
    assert strict.exit_code == 2 and strict.verdict.startswith("unusable: strict: ")


def test_an_unknown_emotion(release, known):
    known(casme2=[{"name": TABLE[:-5], "status": "secondary", "counts": {"rows": 4}}])
    release.rows[0][8] = "joy"
    report = look(release)
    known_names = "disgust, fear, happiness, others, repression, sadness, surprise"
    assert [p.line() for p in report.problems] == [
        f"[V05 error] {TABLE} row 2 (sub01/EP02_01f): emotion 'joy' is not in {known_names}; "
        "add it to the synonyms or fix the table"
    ]
    assert report.exit_code == 1 and report.rows == {"excluded": 1, "ok": 3}
    assert report.verdict == "usable with exclusions: 3 of 4 rows have their frames; 1 with an error"


@pytest.mark.parametrize(("status", "exit_code"), [("verified", 2), ("secondary", 0)])
def test_counts_fail_only_where_they_are_verified(release, known, status, exit_code):
    known(casme2=[{"name": TABLE[:-5], "status": status, "counts": {"rows": 255, "subjects": 2}}])
    report = look(release)
    assert report.exit_code == exit_code
    second_hand = "; the release's numbers are second-hand" * (status == "secondary")
    assert [p.line() for p in report.problems] == [
        f"[V04 warning] {TABLE}: counts differ: rows 4 (release: 255){second_hand}; "
        "an edited copy or a part of the release?"
    ]
    if exit_code:
        assert report.verdict == (
            "unusable: not the release (V04): rows 4 instead of 255: a part of it under its name; "
            "get the rest, or say `part: true` (--part)"
        )
        assert look(release, part=True).exit_code == 0


def test_a_table_under_another_name_cannot_be_compared(release, small):
    release.write()
    (release.root / TABLE).rename(release.root / "mine.xlsx")
    report = check(release.root, "casme2", {"table": "mine.xlsx"}, licence_accepted=True)
    assert [p.line() for p in report.problems] == [
        "[V04 warning] mine.xlsx: not the name of a known release; its counts cannot be compared"
    ]
    assert report.exit_code == 0 and report.counts == ()


@pytest.mark.parametrize(("accepted", "status", "severity"), [(None, 0, "warning"), (False, 2, "error")])
def test_a_licence_that_is_not_acknowledged(release, small, accepted, status, severity):
    report = look(release, licence_accepted=accepted, name="mine")
    assert report.exit_code == status
    assert [p.line() for p in report.problems] == [
        f"[V20 {severity}] mine: set datasets.mine.licence_accepted: true after signing "
        "the licence agreement of the CASME databases; see casme.psych.ac.cn/casme/e2."
    ]


def test_folders_and_tables_that_are_missing(release, small):
    root = release.write()
    (root / TABLE).unlink()
    assert check(root, "casme2").verdict == (
        f"unusable: casme2: {root}: annotation not found; holds {SELECTED}/; expected CASME2-coding-20190701.xlsx or "
        "CASME2-coding-20140508.xlsx; download it with the database, this project may not ship it; "
        "or name it in `table` (V02)"
    )
    release.write()
    report = check(root, "casme2", {"view": "raw"})
    assert report.exit_code == 2 and report.fatal == (
        f"casme2: {root}: no such folder; found: {SELECTED}/, {TABLE}; expected CASME2-RAW/ or CASME2_RAW/; "
        "set view to selected, cropped or correct the root (V01)"
    )
    report = check(root / "nowhere", "casme2")
    assert report.exit_code == 2 and f"{root}/nowhere: no such folder" in report.fatal


def test_a_table_without_its_columns(release, small):
    release.header[4] = "Peak"
    report = look(release)
    assert report.exit_code == 2 and report.fatal == (
        f"{TABLE}: missing columns apex; present: 'Subject', 'Filename', 'OnsetFrame', 'Peak', 'OffsetFrame', "
        "'Action Units', 'Estimated Emotion'; expected the owner's table; name the right file in `table` (V03)"
    )


def test_rows_left_out_on_request_are_no_fault(tmp_path, known):
    known()
    rows = [["1", "anger1_1", 1, 5, 9, "4", "negative", "micro-expression", "anger"]]
    rows += [["1", "anger1_2", 1, 5, 9, "12", "positive", "macro-expression", "happiness"]]
    write_table(tmp_path / "code_final.xlsx", rows, "CASFEcode_final")
    for name in ("anger1_1", "anger1_2"):
        write_images(tmp_path / "selectedpic" / "s15" / name, range(1, 10))
    report = check(tmp_path, "casme_sq", {"types": "micro"}, licence_accepted=True)
    assert (report.exit_code, report.left_out, report.rows) == (0, 1, {"excluded": 1, "ok": 1})
    assert report.verdict == "usable: 1 of 2 rows, 1 left out by options"


def test_a_folder_longer_than_its_table_and_crops_of_uneven_size(tmp_path, known):
    known()
    header = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"]
    write_table(tmp_path / "MMEW_Micro_Exp.xlsx", [header, [3, "S03-04-001", 1, 5, 9, "12L", "others"]])
    folder = tmp_path / "Micro_Expression" / "repression" / "S03-04-001"
    write_images(folder, range(1, 13), "{}.jpg", size=(231, 231))
    (folder / "2.jpg").write_bytes(picture(230, 231))
    report = check(tmp_path, "mmew", licence_accepted=True)
    where = "Micro_Expression/repression/S03-04-001"
    assert [p.line() for p in report.problems if p.rule != "V04"] == [
        "[V11 warning] MMEW_Micro_Exp.xlsx (S03/S03-04-001): table ends at 9, folder has 12 files; using the table",
        f"[V15 warning] {where}/2.jpg (S03/S03-04-001): size 230x231 differs from 231x231 (1 of 9 images)",
        f"[V16 warning] {where}/2.jpg (S03/S03-04-001): 230x231x3; expected 231x231x3; another view?",
    ]
    assert report.exit_code == 0 and report.images == 9


def test_subject_and_file_name_that_disagree(tmp_path, known):
    known()
    header = ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Action Units"]
    header += ["Estimated Emotion", "Objective Classes"]
    rows = [[7, "006_1_2", 10, 15, 29, 20, "4", "Anger", 1], [6, "006_1_3", 10, 15, 29, 20, "4", "Anger", 1]]
    write_table(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", [header, *rows])
    for name in ("006_1_2", "006_1_3"):
        write_images(tmp_path / "SAMM" / "006" / name, range(10, 30), "006_0{}.jpg", size=(960, 650), grey=True)
    report = check(tmp_path, "samm", licence_accepted=True)
    assert "[V13 error] SAMM_Micro_FACS_Codes_v2.xlsx row 2 (007/006_1_2): Subject '7' but Filename '006_1_2'" in [
        p.line() for p in report.problems
    ]
    assert report.exit_code == 1 and not [p for p in report.problems if p.rule in ("V15", "V16")]


def test_options_that_the_reader_does_not_have(release):
    with pytest.raises(ConfigError, match=r"option vieew: unknown to this database; did you mean 'view'\?"):
        check(release.root, "casme2", {"vieew": "raw"})
    with pytest.raises(ConfigError, match=r"option view: bad value 'ra'; expected input should be 'raw', 'selected'"):
        check(release.root, "casme2", {"view": "ra"})
    with pytest.raises(ConfigError, match=r"dataset: unknown 'casme22'; .* did you mean 'casme2'\?"):
        check(release.root, "casme22")


def test_a_clip_taken_from_another_tree_is_no_leftover(tmp_path, known):
    known()
    rows = [[1, f"anger1_{n}", 1, 5, 9, "4", "negative", "micro-expression", "anger"] for n in (1, 2, 3)]
    write_table(tmp_path / "code_final.xlsx", rows, "CASFEcode_final")
    for n in (1, 2):
        write_images(tmp_path / "cropped" / "15" / f"anger1_{n}", range(1, 10), size=(200, 220))
    for n in (2, 3):
        write_images(tmp_path / "selectedpic" / "s15" / f"anger1_{n}", range(1, 10))
    write_images(tmp_path / "rawpic" / "s15" / "15_0401girlcrashing", range(1, 10))
    report = check(tmp_path, "casme_sq", {"view": "cropped"}, licence_accepted=True)
    assert (report.exit_code, report.leftovers, report.rows) == (0, (), {"ok": 3})
    assert [p.line() for p in report.problems] == [
        "[V09 warning] code_final.xlsx (s15/anger1_3): the cropped tree lacks this clip; using selectedpic",
        "[V04 warning] code_final.xlsx: not the name of a known release; its counts cannot be compared",
    ]
    raw = check(tmp_path, "casme_sq", {"view": "raw"}, licence_accepted=True)
    assert raw.rows == {"ok": 3} and raw.images == 9


def test_folders_that_the_release_itself_left_without_a_label(tmp_path, known):
    known()
    row = [1, "anger1_1", 1, 5, 9, "4", "negative", "micro-expression", "anger"]
    write_table(tmp_path / "code_final.xlsx", [row], "CASFEcode_final")
    for name in ("15_0401girlcrashing", "15_0508funnydunkey"):
        write_images(tmp_path / "rawpic" / "s15" / name, range(1, 10))
    report = check(tmp_path, "casme_sq", {"view": "raw"}, licence_accepted=True)
    assert [p.message for p in report.problems if p.rule == "V14"] == [
        "1 folders have no annotation, e.g. s15/0508; the release itself has no label for them"
    ]
    assert report.leftovers == ("rawpic/s15/15_0508funnydunkey",)


def test_published_flow_images(tmp_path, known):
    known()
    (tmp_path / "combined_3_class2_for_optical_flow.csv").write_text(
        "dataset,sub,filename_o,label\nsmic,s1,s1_ne_01,0\ncasme2,sub02,EP01_01,1\n"
    )
    folder = tmp_path / "STSNet_whole_norm_u_v_os"
    write_images(folder, ["s1_s1_ne_01"], "{} .png", size=(28, 28))
    write_images(folder, ["sub02_EP01_01"], "{} .png", size=(30, 28))
    report = check(tmp_path, "flow_images", licence_accepted=True)
    assert (report.exit_code, report.images, report.decoded) == (0, 2, 2)
    assert [(p.rule, p.message) for p in report.problems if p.rule != "V04"] == [
        ("V16", "30x28x3; expected 28x28x3; another view?")
    ]
