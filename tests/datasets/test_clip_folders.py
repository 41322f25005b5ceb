"""Folders of images: numbers from names, nesting, junk, and no way out of the root."""

import pytest

from mer.core.errors import ClipError, DatasetError
from mer.core.filenames import file_number
from mer.datasets import files


@pytest.mark.parametrize(
    ("name", "number"),
    [("img46.jpg", 46), ("reg_img046.JPG", 46), ("image 123.jpg", 123), ("img2977.jpg.jpg", 2977), ("12345.bmp", 12345)]
    + [
        ("006_05562.jpg", 5562),
        ("image559740.bmp", 559740),
        ("12 .png", 12),
        ("readme.jpg", None),
        ("a" + "9" * 40 + ".jpg", None),
    ],
)
def test_number_is_the_last_run_of_digits(name, number):
    assert file_number(name) == number


def test_two_files_with_one_number_are_an_error():
    with pytest.raises(ClipError, match=r"'img1.jpg' and 'img001.jpg' are both frame 1"):
        files.numbered(["img1.jpg", "img001.jpg"], "sub01/a")
    assert files.numbered(["b10.jpg", "b9.jpg", "cover.jpg"], "x") == {9: "b9.jpg", 10: "b10.jpg"}


def test_folders_are_found_whatever_their_case_and_nesting(tmp_path, frames):
    frames(tmp_path / "X" / "casme2_raw_SELECTED" / "casme2_raw_SELECTED" / "Sub01" / "EP01", [1, 2])
    (tmp_path / "X" / "casme2_raw_SELECTED" / "Thumbs.db").touch()
    base = files.find_folder(tmp_path, ["CASME2-RAW selected"])
    assert base == tmp_path / "X" / "casme2_raw_SELECTED"
    (tmp_path / "X" / "casme2_raw_SELECTED" / "__MACOSX").mkdir()
    frames(tmp_path / "X" / "casme2_raw_SELECTED" / "__MACOSX", [1])
    frames(base / "casme2_raw_SELECTED" / "Sub01" / "EP01", [3], "._img{}.jpg")
    folders = [(str(folder).split("/")[-2:], names) for folder, names in files.image_folders(tmp_path, base)]
    assert folders == [(["Sub01", "EP01"], ["img1.jpg", "img2.jpg"])]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "C:\\x", "..\\x", "\\\\host\\x"])
def test_paths_that_leave_the_root_are_refused(tmp_path, path):
    with pytest.raises(DatasetError, match="not a path below the dataset root"):
        files.safe_path(tmp_path, path)


def test_a_link_that_leads_outside_is_refused(tmp_path, frames):
    root = tmp_path / "root"
    frames(tmp_path / "outside", [1])
    frames(root / "clip", [1])
    (root / "clip" / "img2.jpg").symlink_to(tmp_path / "outside" / "img1.jpg")
    with pytest.raises(DatasetError, match="link that leads outside the dataset root"):
        list(files.image_folders(root, root))
    with pytest.raises(DatasetError, match="link that leads outside"):
        files.safe_path(root, "clip/img2.jpg")
    (root / "clip" / "img2.jpg").unlink()
    (root / "linked").symlink_to(tmp_path / "outside")
    with pytest.raises(DatasetError, match="link that leads outside"):
        list(files.image_folders(root, root))


def test_links_inside_the_root_are_followed_but_not_for_ever(tmp_path, frames):
    frames(tmp_path / "a" / "clip", [1])
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    folders = [str(folder) for folder, _ in files.image_folders(tmp_path, tmp_path)]
    assert sorted(folders)[0] == "a/clip" and "b/clip" in folders and len(folders) < 20


def test_roots_that_are_not_folders(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        files.checked_root(tmp_path / "none", "casme2")
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is not a folder"):
        files.checked_root(tmp_path / "file", "casme2")


def test_names_that_no_text_file_can_hold_are_refused(tmp_path):
    try:
        (tmp_path / "img\udcff1.jpg").touch()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system refuses such names itself")
    with pytest.raises(DatasetError, match="not a UTF-8 name"):
        files.entries(tmp_path, tmp_path)
