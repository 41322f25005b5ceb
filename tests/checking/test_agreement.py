"""`mer check` and the workflow agree on which copies are usable, and on which of their rows."""

import pytest
from small_release import SELECTED, TABLE, write_images, write_table

from mer.checking.check import check
from mer.core.errors import MerError
from mer.datasets.listed import listed_once
from mer.planning.blocks import DatasetBlock
from mer.planning.catalog import read_dataset


def renumber(release):
    for row in release.rows:
        folder = release.folder(row)
        for place, path in enumerate(sorted(folder.iterdir(), key=lambda path: int(path.stem[3:])), start=1):
            path.rename(folder / f"new{place}.jpg")


def cut(release):
    for row in release.rows:
        for path in list(release.folder(row).iterdir())[6:]:
            path.unlink()


def empty(release):
    for row in release.rows:
        for path in release.folder(row).iterdir():
            path.unlink()


def rename(release):
    (release.root / SELECTED).rename(release.root / "my clips")


def lose_one_image(release):
    (release.folder(release.rows[0]) / "img15.jpg").unlink()


def copy_one_image(release):
    folder = release.folder(release.rows[0])
    (folder / "img15 (1).jpg").write_bytes((folder / "img15.jpg").read_bytes())


#: What is done to a good copy, the reader's options, whether it is a part, whether it is usable, how many rows are.
FAULTS = {
    "none": (lambda release: None, {}, False, True, 4),
    "renumbered": (renumber, {}, False, False, 0),
    "renumbered and said": (renumber, {"renumbered": 1}, False, True, 4),
    "renumbered, not as said": (renumber, {"renumbered": 5}, False, False, 0),
    "wrongly said": (lambda release: None, {"renumbered": 1}, False, False, 0),
    "cut short": (cut, {}, False, False, 0),
    "no images": (empty, {}, False, False, 0),
    "no tree": (rename, {}, False, False, 0),
    "one image lost": (lose_one_image, {}, False, True, 4),
    "one image twice": (copy_one_image, {}, False, True, 3),
    "a row less": (lambda release: release.rows.pop(), {}, False, False, 0),
    "a row less and said": (lambda release: release.rows.pop(), {}, True, True, 3),
    "a row more": (lambda release: release.rows.append([*release.rows[0]]), {}, False, False, 0),
    "a row more, said to be a part": (lambda release: release.rows.append([*release.rows[0]]), {}, True, False, 0),
    "an unknown emotion": (lambda release: release.rows[0].__setitem__(-1, "boredom"), {}, False, True, 3),
    "no onset": (lambda release: release.rows[0].__setitem__(3, "x"), {}, False, True, 3),
    "another view": (lambda release: None, {"view": "raw"}, False, False, 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_both_say_the_same(release, small, fault):
    do, options, part, usable, rows = FAULTS[fault]
    do(release)
    root = release.write()
    report = check(root, "casme2", options, licence_accepted=True, part=part)
    block = DatasetBlock(reader="casme2", root=root, options=options, licence_accepted=True, part=part)
    try:
        reading = read_dataset(block, root)
    except MerError as error:
        assert not usable, error.line()
        assert report.exit_code == 2
        # The reasons of one are those of the other.
        for reason in report.stops or (report.fatal,):
            assert reason in error.line()
    else:
        assert usable and report.exit_code < 2, report.verdict
        assert sum(row.status == "ok" for row in reading.samples) == report.rows["ok"] == rows
        assert (report.exit_code == 0) == (rows == report.rows["ok"] == sum(report.rows.values()))


def test_pictures_that_cannot_be_read_at_all(release, small):
    root = release.write()
    for row in release.rows:
        for path in release.folder(row).iterdir():
            path.write_bytes(b"no image")
    report = check(root, "casme2", licence_accepted=True)
    assert report.verdict == "unusable: no row has images that can be read (V15)"


def test_a_table_of_another_program(release, small):
    """A CSV in UTF-16, as spreadsheet programs save "Unicode text", is the release all the same."""
    root = release.write()
    lines = [[cell if cell is not None else "" for cell in row] for row in [release.header, *release.rows]]
    (root / TABLE).unlink()
    text = "\n".join("\t".join(map(str, line)) for line in lines)
    (root / TABLE).with_suffix(".csv").write_bytes(text.encode("utf-16"))
    assert check(root, "casme2", licence_accepted=True).verdict == "usable: 4 of 4 rows"


def test_every_folder_is_listed_once_and_depth_images_not_at_all(tmp_path, known, monkeypatch):
    known()
    write_table(tmp_path / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", CASME3, "label")
    for kind, pattern in (("color", "{}.jpg"), ("depth", "{}.png")):
        write_images(tmp_path / "part_A_split" / "part_A" / "spNO.1" / "a" / kind, range(7, 40), pattern, (128, 72))
    seen = []
    import mer.datasets.files as files

    listed = files._entries
    monkeypatch.setattr(files, "_entries", lambda root, folder: seen.append(folder.name) or listed(root, folder))
    told = []
    report = check(tmp_path, "casme3", licence_accepted=True, listing=told.append)
    assert report.rows == {"ok": 2} and report.leftovers == ()
    assert len(seen) == len(set(seen)) == told[-1] and "depth" not in seen and "color" in seen


CASME3 = [
    ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"],
    ["spNO.1", "a", "10", "14", "20", "4", "I", "sad"],
    ["spNO.1", "a", "25", "27", "35", "4", "I", "happy"],
]


def test_what_is_listed_is_kept_within_the_block_alone(tmp_path):
    from mer.datasets.files import entries

    (tmp_path / "a.jpg").touch()
    with listed_once():
        assert entries(tmp_path, tmp_path)[1] == ["a.jpg"]
        (tmp_path / "b.jpg").touch()
        with listed_once():
            assert entries(tmp_path, tmp_path)[1] == ["a.jpg"]
    assert entries(tmp_path, tmp_path)[1] == ["a.jpg", "b.jpg"]


def test_a_sample_is_decoded_of_every_clip_first_one(release, small, monkeypatch):
    root = release.write()
    decoded = []
    monkeypatch.setattr("mer.checking.media.MOST_DECODED", 6)
    for most, each in ((6, {1, 2}), (4, {1}), (2, {0, 1})):
        monkeypatch.setattr("mer.checking.media.MOST_DECODED", most)
        report = check(root, "casme2", licence_accepted=True)
        from mer.checking.media import plan
        from mer.datasets import casme2

        media = plan(root, casme2.READER.read(root, casme2.Options()).samples)
        decoded.append(report.decoded)
        assert {len(medium.decoded) for medium in media} == each and report.images == 80
    assert decoded == [6, 4, 2]
