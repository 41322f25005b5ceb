"""What the simulator writes to disk: folders, tables and truth containers."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from openpyxl import load_workbook

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ContainerError, DatasetError
from mer.simulate.action_units import AU_NUMBERS
from mer.simulate.layouts.casme2 import LAYOUT
from mer.simulate.params import SimulateParams
from mer.simulate.truth import Truth

SMALL = {"width": 160, "height": 120, "clips": 2, "shortest": 0.06, "longest": 0.08}
SELECTED = Path("CASME2_RAW_selected/CASME2_RAW_selected")


def small(**change: object) -> SimulateParams:
    return SimulateParams(**{"subjects": 2, **SMALL, **change})  # type: ignore[arg-type]


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("casme2")
    params = small(blink=1.0)
    LAYOUT.write_tables(params, root)
    LAYOUT.write_subject(params, "sub02", root, root / "truth" / "sub02.h5")
    return root


def test_files_are_those_listed(database: Path) -> None:
    files = LAYOUT.listing(small(blink=1.0))
    listing = {clip: [Path(p).name for p in paths] for (subject, clip), paths in files.items() if subject == "sub02"}
    folder = database / SELECTED / "sub02"
    assert {p.name for p in folder.iterdir()} == set(listing)
    for clip, names in listing.items():
        assert {p.name for p in (folder / clip).iterdir()} == set(names)
        frame = cv2.imread(str(folder / clip / names[0]))
        assert frame is not None and frame.shape == (120, 160, 3) and frame.std() > 20


def test_bytes_repeat_and_do_not_depend_on_other_subjects(database: Path, tmp_path: Path) -> None:
    params = small(subjects=5, blink=1.0)
    LAYOUT.write_subject(params, "sub02", tmp_path, tmp_path / "sub02.h5")
    first, second = contents(database / SELECTED), contents(tmp_path / SELECTED)
    assert len(first) > 20 and first == second
    tables = [LAYOUT.write_tables(small(), tmp_path / name)[0] for name in ("a", "b")]
    assert tables[0].read_bytes() == tables[1].read_bytes()


def test_the_workbook_has_the_real_ones_form(tmp_path: Path) -> None:
    params = small(subjects=4, clips=6)
    book = load_workbook(LAYOUT.write_tables(params, tmp_path)[0])
    assert book.sheetnames == ["Sheet1", "Sheet2", "Sheet3"]
    assert book["Sheet2"].max_row == 1 and book["Sheet2"]["A1"].value is None
    rows = list(book["Sheet1"].iter_rows(values_only=True))
    assert rows[0] == (
        "Subject",
        "Filename",
        None,
        "OnsetFrame",
        "ApexFrame",
        "OffsetFrame",
        None,
        "Action Units",
        "Estimated Emotion",
    )
    data, table = rows[1:-3], LAYOUT.table(params)
    assert [[str(v) for v in row if v is not None] for row in data] == [list(cells.values()) for cells in table]
    assert all(not str(v or "").strip() for row in rows[-3:] for v in row)
    assert {type(row[0]) for row in data} == {str, int} and {type(row[7]) for row in data} == {str, int}
    assert [row[4] for row in data].count("/") == 1
    assert all("+" in row[7] or row[7][0] in "LR" for row in data if isinstance(row[7], str))


def test_raw_holds_the_whole_recording(tmp_path: Path) -> None:
    params = small(subjects=1, clips=1, quirks=False, raw=True)
    LAYOUT.write_subject(params, "sub01", tmp_path, tmp_path / "sub01.h5")
    (recording,) = LAYOUT.recordings(params)
    (clip,) = recording.events
    raw = tmp_path / "CASME2_RAW" / "CASME2-RAW" / clip.sample_id
    assert recording.numbers == tuple(range(1, recording.numbers[-1] + 1)) and recording.numbers[-1] > clip.offset
    assert {p.name for p in raw.iterdir()} == {f"img{n}.jpg" for n in recording.numbers}
    for number in clip.numbers:
        name = f"img{number}.jpg"
        assert (raw / name).read_bytes() == (tmp_path / SELECTED / clip.sample_id / name).read_bytes()
    with Truth(tmp_path / "sub01.h5") as truth:
        stored = truth.stored(clip.sample_id)
        assert stored.attributes["onset"] == clip.onset - 1 and stored.read("numbers")[0] == 1
        assert stored.read("intensities")[: clip.onset].max() == 0


def test_the_truth_container_holds_what_it_promises(database: Path) -> None:
    with Truth(database / "truth" / "sub02.h5") as truth:
        assert "sub02/EP08_1" in truth.clip_ids
        for sample_id in truth.clip_ids:
            stored, clip = truth.stored(sample_id), truth.clip(sample_id)
            count, apex = len(clip.numbers), stored.attributes["apex"]
            shapes = {
                name: stored.read(name).shape
                for name in ("intensities", "pose", "landmarks", "rigid", "closure", "flow", "moving")
            }
            assert shapes == {
                "intensities": (count, 12), "pose": (count, 2, 3), "landmarks": (count, 68, 2), "rigid": (count, 9, 2),
                "closure": (count,), "flow": (120, 160, 2), "moving": (120, 160),
            }  # fmt: skip
            named = {int(u.lstrip("LR")) for u in str(stored.attributes["units"]).split("+")}
            assert {AU_NUMBERS[k] for k in np.flatnonzero(stored.read("intensities")[apex])} == named
            assert json.loads(str(stored.attributes["identity"]))["seed"] > 0
            assert np.abs(stored.read("flow") - clip.flow(stored.attributes["onset"], apex)).max() < 2e-4
            assert np.allclose(stored.read("landmarks")[apex], clip.landmarks(apex), atol=1e-3)
            assert np.allclose(stored.read("pose")[apex], clip.pose(apex))
            assert np.array_equal(stored.read("moving") > 0, clip.moving(0, apex))


def test_frames_on_disk_are_the_clean_ones_with_noise(database: Path) -> None:
    with Truth(database / "truth" / "sub02.h5") as truth:
        clip = truth.clip(truth.clip_ids[0])
    path = database / SELECTED / clip.sample_id / f"img{clip.numbers[3]}.jpg"
    frame = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float64)  # type: ignore[arg-type]
    difference = frame - clip.clean(clip.index(int(clip.numbers[3])))
    assert 0.5 < difference.std() < 4.0 and abs(difference.mean()) < 1.5


def test_between_meets_both_neighbours(database: Path) -> None:
    with Truth(database / "truth" / "sub02.h5") as truth:
        clip = truth.clip(truth.clip_ids[0])
    assert np.array_equal(clip.between(2, 0.0), clip.clean(2)) and np.array_equal(clip.between(2, 1.0), clip.clean(3))
    apart = [np.abs(clip.between(4, 0.5).astype(int) - clip.clean(k)).mean() for k in (4, 5)]
    assert max(apart) < np.abs(clip.clean(5).astype(int) - clip.clean(4)).mean()
    with pytest.raises(ContainerError, match="frame index 99"):
        clip.clean(99)
    with pytest.raises(ContainerError, match="frame number 9999"):
        clip.index(9999)


def test_wrong_inputs_are_named(database: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no subject 'sub7'"):
        LAYOUT.write_subject(small(), "sub7", tmp_path, tmp_path / "t.h5")
    with ContainerWriter(tmp_path / "align.h5", "align"):
        pass
    with pytest.raises(ContainerError, match="stage 'align'"):
        Truth(tmp_path / "align.h5")
    with Truth(database / "truth" / "sub02.h5") as truth, pytest.raises(ContainerError, match="no clip sub02/EP99"):
        truth.clip("sub02/EP99")
    with Container(database / "truth" / "sub02.h5") as box:
        assert box.attributes["stage"] == "truth" and box.parameters()["subject"] == "sub02"
