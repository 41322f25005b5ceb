"""`mer check` on downloads that were tampered with: refused in one line, nothing outside the root is touched."""

import zipfile

import pytest
from small_release import SELECTED, TABLE, write_images

from mer.checking.check import check
from mer.checking.media import look_at, plan
from mer.core.errors import DatasetError
from mer.core.media import inside
from mer.core.sample import Sample


def test_a_table_that_unpacks_to_gigabytes(release):
    root = release.write()
    with zipfile.ZipFile(root / TABLE, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<a/>")
    data = bytearray((root / TABLE).read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (3_000_000_000).to_bytes(4, "little")
    (root / TABLE).write_bytes(bytes(data))
    report = check(root, "casme2")
    assert report.exit_code == 2 and report.fatal == (
        f"{root}/{TABLE}: would unpack to 3000 MB; expected at most 200 MB; download the table again from its owner"
    )


@pytest.mark.parametrize("name", ["../../outside/EP01", "/etc/passwd", "..", "C:\\EP01", "EP02_01f/../../secret"])
def test_rows_that_point_elsewhere_find_nothing(release, small, name):
    write_images(release.root.parent / "outside" / "EP01", range(10, 30))
    release.rows[0][1] = name
    report = check(release.write(), "casme2", licence_accepted=True)
    assert report.exit_code == 1 and report.rows == {"missing_media": 1, "ok": 3}
    assert report.leftovers == (f"{SELECTED}/sub01/EP02_01f",)
    assert report.images == 60


@pytest.mark.parametrize("kind", ["folder", "file", "table"])
def test_links_that_lead_outside_are_refused(release, small, tmp_path, kind):
    root = release.write()
    outside = tmp_path / "outside"
    write_images(outside, range(10, 30))
    link, target = {
        "folder": (root / SELECTED / "sub01" / "EP77_01", outside),
        "file": (root / SELECTED / "sub01" / "EP02_01f" / "img30.jpg", outside / "img10.jpg"),
        "table": (root / "extra.xlsx", outside / "img10.jpg"),
    }[kind]
    link.symlink_to(target)
    report = check(root, "casme2", licence_accepted=True)
    assert report.exit_code == 2 and report.fatal == (
        f"{link}: is a link that leads outside the dataset root; expected a target below {root}; "
        "put the data itself below the root, or set the root to the folder that holds it"
    )


@pytest.mark.parametrize("path", ["../t.xlsx", "/etc/passwd", "a/../../t.xlsx"])
def test_options_that_point_elsewhere_are_refused(release, small, path):
    report = check(release.write(), "casme2", {"table": path})
    assert report.exit_code == 2
    assert report.fatal == f"{path}: is not a path below the dataset root; expected a relative path without '..'"


@pytest.mark.parametrize("path", ["../clip", "/etc"])
def test_a_doctored_index_cannot_lead_the_media_check_outside(tmp_path, path):
    row = Sample("casme2", "sub01", "casme2:sub01", "a", "a", path, onset=1, offset=3)
    with pytest.raises(Exception, match="leaves the dataset's folder") as caught:
        plan(tmp_path, [row])
    assert caught.type.__name__ == "MediaError"
    with pytest.raises(Exception, match="leaves the dataset's folder"):
        inside(tmp_path, path)


def test_a_picture_that_claims_to_be_gigantic(tmp_path):
    header = bytearray(b"BM" + bytes(52))
    header[18:22], header[22:26] = (60_000).to_bytes(4, "little"), (60_000).to_bytes(4, "little")
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "img1.bmp").write_bytes(bytes(header))
    row = Sample("casme2", "sub01", "casme2:sub01", "a", "a", "clip", onset=1, offset=1)
    (problem,) = look_at(tmp_path, plan(tmp_path, [row])[0]).problems
    assert problem.rule == "V15" and "declares 60000 x 60000 pixels, beyond the limit" in problem.message


def test_a_folder_that_cannot_be_listed(release, small, monkeypatch):
    root = release.write()

    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(root))

    monkeypatch.setattr("mer.datasets.files.os.scandir", refuse)
    report = check(root, "casme2")
    assert report.exit_code == 2 and "cannot be listed (Permission denied)" in report.fatal


def test_planning_raises_what_reading_raises_for_links(tmp_path):
    (tmp_path / "root" / "clip").mkdir(parents=True)
    (tmp_path / "root" / "clip" / "img1.jpg").symlink_to(tmp_path)
    row = Sample("casme2", "sub01", "casme2:sub01", "a", "a", "clip", onset=1, offset=1)
    with pytest.raises(DatasetError, match="leads outside the dataset root"):
        plan(tmp_path / "root", [row])
