"""No reader takes one folder for another: what is not there is an error that names what was found."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets import casme, casme3, casme3c, casme_sq, files, fourdme, mmew, samm, samm_lv, smic, smic_e


def smic_clip(frames, folder, clip="s1_ne_01", first=1000, number=20):
    frames(folder / clip.split("_")[0] / "micro" / "negative" / clip, range(first, first + number), "image{}.bmp")


def test_smic_reads_no_other_camera(tmp_path, frames):
    smic_clip(frames, tmp_path / "SMIC_all_raw" / "HS")
    with pytest.raises(DatasetError) as caught:
        smic.READER.read(tmp_path, smic.Options(modality="vis"))
    assert caught.value.line() == (
        f"smic_vis: {tmp_path}/SMIC_all_raw: no folder of the camera VIS; found: HS/; expected VIS/; "
        "set `modality` to hs, or correct the root (V01)"
    )


@pytest.mark.parametrize("name", ["HS", "SMIC_HS", "smic-hs_raw", "HS/HS"])
def test_smic_finds_a_camera_by_its_name(tmp_path, frames, name):
    smic_clip(frames, tmp_path / "SMIC_all_raw" / name, first=1000)
    smic_clip(frames, tmp_path / "SMIC_all_raw" / name.replace("HS", "VIS").replace("hs", "vis"), first=5)
    hs, vis = (smic.READER.read(tmp_path, smic.Options(modality=camera)).samples for camera in ("hs", "vis"))
    assert [(row.dataset, row.onset) for row in hs] == [("smic_hs", 1000)]
    assert [(row.dataset, row.onset) for row in vis] == [("smic_vis", 5)]


def test_smic_without_a_camera_or_with_two_copies(tmp_path, frames):
    smic_clip(frames, tmp_path / "SMIC_all_raw")
    with pytest.raises(DatasetError, match=r"no folder of the camera HS; found: s1/; expected HS/; name the folder"):
        smic.READER.read(tmp_path, smic.Options())
    smic_clip(frames, tmp_path / "SMIC_all_raw" / "HS")
    smic_clip(frames, tmp_path / "SMIC_all_raw" / "SMIC_HS")
    with pytest.raises(DatasetError, match=r"holds SMIC_all_raw/HS/, SMIC_all_raw/SMIC_HS/: which one is meant"):
        smic.READER.read(tmp_path, smic.Options())


def test_smic_e_reads_no_other_camera(tmp_path, workbook, frames):
    header = ["Subject", "Filename", None, "OnsetF", "OffsetF", "FirstF"]
    row = ["s11", "s11_ne_01", None, 5, 15, 1]
    workbook(tmp_path / "SMIC-HS-E_annotation.xlsx", {"Sheet1": [header, row]})
    frames(tmp_path / "VIS_long" / "SMIC-VIS-E" / "s11" / "s11_ne_01", range(1, 30), "{}.jpg")
    with pytest.raises(DatasetError, match=r"no folder SMIC-HS-E/ or HS_long/; found: VIS_long/"):
        smic_e.READER.read(tmp_path, smic_e.Options())
    frames(tmp_path / "HS_long" / "SMIC-HS-E" / "s11" / "s11_ne_01", range(1, 30), "{}.jpg")
    (sample,) = smic_e.READER.read(tmp_path, smic_e.Options()).samples
    assert sample.media_path == "HS_long/SMIC-HS-E/s11/s11_ne_01"


#: Reader, a clip below the top folder, the top folder as released, a foreign one, and how the error names the first.
TREES = {
    "samm": (samm.READER, {}, "006/006_1_2", "SAMM", "SAMM_CROP", "SAMM/"),
    "samm_lv": (samm_lv.READER, {}, "006_1", "SAMM_longvideos", "crops", "SAMM_longvideos/ or SAMM_LongVideos/"),
    "casme": (casme.READER, {}, "sub01/EP01_5", "CASME", "mine", "CASME/ or Cropped/"),
    "casme3": (casme3.READER, {}, "spNO.1/a/color", "part_A_split", "part_B", "part_A_split/ or part_A/"),
    "casme3 clip": (
        *(casme3.READER, {"view": "clip"}, "frame/spNO.1_a_355", "Part_A_ME_clip", "Part_A_MaE_clip"),
        "Part_A_ME_clip/",
    ),
    "casme3c": (casme3c.READER, {}, "spNO.4/color", "part_C", "part_A", "part_C/"),
    "mmew": (mmew.READER, {}, "happiness/S03-01-002", "Micro_Expression", "Micro_crop", "Micro_Expression/"),
}


@pytest.mark.parametrize("name", TREES)
def test_the_root_is_the_top_folder_only_where_clips_lie_in_it_as_released(tmp_path, frames, name):
    reader, given, clip, top, foreign, wanted = TREES[name]
    options = reader.options(**given)
    bare, wrong, right = tmp_path / "bare", tmp_path / "wrong", tmp_path / "right"
    frames(bare / clip, range(355, 360), "{}.jpg")
    frames(wrong / foreign / clip, range(355, 360), "{}.jpg")
    frames(right / foreign / clip, range(1, 6), "{}.jpg")
    frames(right / top / clip, range(355, 360), "{}.jpg")
    assert len(reader.scan(bare, options)) == 1
    ((paths),) = reader.scan(right, options).values()
    assert paths[0] == f"{top}/{clip}/355.jpg"
    with pytest.raises(DatasetError) as caught:
        reader.scan(wrong, options)
    line = caught.value.line()
    assert f"no folder {wanted}" in line and f"found: {foreign}/; folders like clips lie in {foreign}/" in line
    assert "name the folder of the images in `folder`" in line
    named = reader.options(**given, folder=foreign)
    assert next(iter(reader.scan(wrong, named).values()))[0] == f"{foreign}/{clip}/355.jpg"


def test_mmew_by_subject_and_fourdme_by_no_guess(tmp_path, frames):
    frames(tmp_path / "S03" / "happiness" / "S03-01-002", range(1, 5), "{}.jpg")
    assert list(mmew.READER.scan(tmp_path, mmew.Options())) == [("S03", "S03-01-002")]
    # Any two folders are like a clip of 4DME: the Kinect's, at 30 fps, would be read as grey video at 60.
    frames(tmp_path / "4d" / "color_micro" / "S13" / "S13_001", range(1, 5), "{}.jpg")
    with pytest.raises(DatasetError, match=r"no folder gray_micro/ .*found: color_micro/"):
        fourdme.READER.scan(tmp_path / "4d", fourdme.Options())


def test_casme_sq_takes_spares_from_the_released_tree_alone(tmp_path, frames):
    frames(tmp_path / "cropped" / "15" / "anger1_1", [5, 6])
    frames(tmp_path / "mine" / "s15" / "anger1_2", [5, 6])
    assert list(casme_sq.READER.scan(tmp_path, casme_sq.Options(view="cropped"))) == [("s15", "anger1_1")]
    with pytest.raises(DatasetError, match=r"no such folder; found: cropped/, mine/; expected selectedpic/"):
        casme_sq.READER.scan(tmp_path, casme_sq.Options(view="selected"))


def test_two_folders_or_tables_of_one_name(tmp_path, frames):
    frames(tmp_path / "a" / "SAMM" / "006" / "006_1_2", [1])
    frames(tmp_path / "b" / "SAMM" / "006" / "006_1_2", [1])
    with pytest.raises(DatasetError, match=r"holds a/SAMM/, b/SAMM/: which one is meant cannot be told"):
        samm.READER.scan(tmp_path, samm.Options())
    (tmp_path / "a" / "t.csv").write_text("one")
    (tmp_path / "b" / "t.csv").write_text("one")
    assert files.find_file(tmp_path, ["t.csv"]) == tmp_path / "a" / "t.csv"
    (tmp_path / "b" / "t.csv").write_text("two")
    with pytest.raises(DatasetError, match=r"holds a/t.csv, b/t.csv, which differ; .*`table` \(V02\)"):
        files.find_file(tmp_path, ["t.csv"])


def test_casme3_takes_no_blank_type_for_a_micro_expression():
    header = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Expression type")
    cells = [("spNO.1", "a", "10", "12", "20", "4", kind) for kind in ("Micro-expression", "")]
    cells[1] = (*cells[1][:2], "40", "42", "50", *cells[1][5:])
    rows = [dict(zip(header, row, strict=True)) for row in cells]
    files = {("spNO.1", "a"): [f"a/{number}.jpg" for number in range(60)]}
    typed = casme3.READER.samples_from(rows, files, casme3.Options(), "r").samples
    assert [row.status for row in typed] == ["ok", "excluded"] and "type '' is neither" in typed[1].reason
    plain = [{name: cell for name, cell in row.items() if name != "Expression type"} for row in rows]
    alone = casme3.READER.samples_from(plain, files, casme3.Options(), "r").samples
    assert [(row.status, row.expression_type) for row in alone] == [("ok", "micro")] * 2


def test_smic_e_says_what_it_counts_from():
    header = ("Subject", "Filename", "OnsetF", "OffsetF", "FirstF", "LastF")
    rows = [("s1", f"s1_ne_0{k}", "1010", "1030", *ends) for k, ends in enumerate((("1000", "1049"), ("one", "")))]
    rows = [dict(zip(header, row, strict=True)) for row in rows]
    listing = {("s01", f"s01_ne_0{k}"): [f"{k}/image{n}.jpg" for n in range(1005, 1050)] for k in range(2)}
    reading = smic_e.READER.samples_from(rows, listing, smic_e.Options(), "r")
    assert "FirstF is 'one': onset and offset are taken as numbers of files" in reading.samples[1].notes
    told = [(p.rule, p.sample_id, p.message) for p in reading.problems if p.rule == "V10"]
    assert told == [("V10", "s01/s01_ne_00", "images 1005 to 1049 are fewer than FirstF 1000 to LastF 1049")]
