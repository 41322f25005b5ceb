"""Each layout from the simulator through its reader to aligned faces: small databases, really written."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from layout_cases import READER, VIEWS, bare, layout, params, planned, read, tiny, write

from mer.core.container import Container
from mer.core.geometry import apply
from mer.core.sample import Sample, media_row
from mer.core.video import iterate, probe
from mer.simulate.footage import Footage
from mer.simulate.sheets import Row
from mer.simulate.take import Take
from mer.simulate.truth import Truth
from mer.stages.run import StageSpec, run_subject

Database = Callable[[str], Path]
# Layouts that differ from another one in their table alone.
TABLES_ONLY = {"casme3_v1": "casme3", "casme3_all": "casme3"}
OPTIONS = {"samm_lv": {"types": "both"}, "casme3_all": {"types": "both"}}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """`database(layout)`: the root of the tiny database in that layout, written once."""
    roots: dict[str, Path] = {}

    def written(name: str) -> Path:
        if name not in roots:
            root = tmp_path_factory.mktemp(name)
            if name in TABLES_ONLY:
                images = written(TABLES_ONLY[name])
                tables = shutil.ignore_patterns("*.xlsx")
                shutil.copytree(images, root, ignore=tables, copy_function=os.link, dirs_exist_ok=True)
                layout(name).write_tables(tiny(name), root)
            else:
                write(tiny(name), root)
            roots[name] = root
        return roots[name]

    return written


def contents(root: Path) -> dict[str, bytes]:
    media = {".jpg", ".bmp", ".png", ".mp4"}
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.suffix in media}


@pytest.mark.slow
@pytest.mark.parametrize("name", READER)
def test_rows_on_disk_are_those_of_the_plan(name: str, database: Database) -> None:
    root, given = database(name), tiny(name)
    chosen = OPTIONS.get(name, {})
    rows = bare(read(root, name, **chosen).samples)
    assert rows == bare(planned(given, **chosen).samples)
    assert sum(sample.status == "ok" for sample in rows) >= 4
    for view in VIEWS.get(name, ()):
        assert bare(read(root, name, view=view).samples) == bare(planned(given, view=view).samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in READER if name not in TABLES_ONLY])
def test_faces_are_found_where_they_are(name: str, database: Database, tmp_path: Path) -> None:
    root = database(name)
    subject = layout(name).subjects(tiny(name))[-1]
    row = next(s for s in read(root, name).samples if s.status == "ok" and s.subject == subject)
    faces = aligned(row, root, tmp_path)
    with Truth(root / "truth" / f"{subject}.h5") as truth:
        clip = truth.clip(row.sample_id)
    moment = int(clip.attributes["apex"])
    corner = clip.attributes["window"][:2] if row.view == "cropped" else (0, 0)
    at = int(np.flatnonzero(faces["numbers"] == clip.numbers[moment])[0])
    points = apply(faces["transform"][at], clip.landmarks(moment) - np.asarray(corner))
    apart = np.linalg.norm(points - faces["landmarks"][at], axis=1)
    assert np.median(apart) < 0.04 * np.linalg.norm(points[36] - points[45])
    assert faces["detected"].any() and faces["frames"].shape[1:] == (128, 128, 3)


def aligned(row: Sample, root: Path, out: Path) -> dict[str, np.ndarray]:
    steps = (StageSpec("frames", "", "list", {}), StageSpec("align", "face", "dlib", {"size": 128}))
    source = None
    for step in steps:
        target = out / f"{step.stage}.h5"
        outcome = run_subject(step, [media_row(row)], target, source, root, lambda line: None)
        assert not outcome.failures
        source = target
    with Container(out / "align.h5") as box:
        clip = box.clip(row.sample_id)
        return {name: clip.read(name) for name in ("frames", "landmarks", "transform", "detected", "numbers")}


@pytest.mark.slow
def test_formats_are_the_owners(database: Database) -> None:
    def first(name: str, pattern: str) -> np.ndarray:
        image = cv2.imread(str(next(database(name).rglob(pattern))), cv2.IMREAD_UNCHANGED)
        assert image is not None
        return image

    assert first("samm", "006_*.jpg").shape == first("samm_lv", "006_*.jpg").shape == (180, 240)
    assert first("fourdme", "Frame_*.jpg").ndim == 2
    assert first("smic_hs", "image*.bmp").shape == (180, 240, 3)
    infrared = first("smic_nir", "[0-9]*.bmp")
    assert infrared.ndim == 3 and (infrared == infrared[..., :1]).all()
    depth = first("casme3", "depth/*.png")
    assert depth.dtype == np.uint16 and depth[0, 0] > depth[90, 120] > 0
    side = round(231 / 384 * 300)
    assert first("mmew", "1.jpg").shape == (side, side, 3)
    assert first("casme_sq", "cropped/15/*/*.jpg").shape == (108, 108, 3)
    rates = {round(probe(path).fps, 2) for path in database("rld").rglob("*.mp4")}
    assert rates == {25.0, 29.97}


@pytest.mark.slow
def test_videos_hold_every_frame_recorded(database: Database) -> None:
    for recording in layout("meview").recordings(tiny("meview")):
        path = database("meview") / "MEVIEW" / f"{recording.name}.mp4"
        assert [index for index, _, _ in iterate(path)] == list(recording.numbers)
        assert probe(path).fps == recording.fps


def write_xls(path: Path, sheets: Mapping[str, Sequence[Row]]) -> None:
    xlwt = pytest.importorskip("xlwt")
    book = xlwt.Workbook(encoding="utf-8")
    date = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                if cell is not None:
                    sheet.write(r, c, cell, *([date] if isinstance(cell, datetime.date) else []))
    book.save(str(path))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "file"), [("meview", "MEVIEW.xls"), ("casme3_v1", "old.xls")])
def test_old_binary_tables_read_the_same(name: str, file: str, database: Database) -> None:
    root, given = database(name), tiny(name)
    (table,) = layout(name).tables(given, layout(name).recordings(given))
    write_xls(root / file, table.sheets())
    assert bare(read(root, name, table=file).samples) == bare(planned(given).samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fourdme", "rld", "smic_vis"])
def test_bytes_repeat_and_do_not_depend_on_other_subjects(name: str, tmp_path: Path) -> None:
    changes = {"width": 160, "height": 120, "clips": 1, "quirks": False, "fps": 25.0}
    for subjects in (1, 3):
        given = tiny(name, subjects=subjects, **changes)
        root = tmp_path / str(subjects)
        layout(name).write_subject(given, layout(name).subjects(given)[0], root, root / "truth.h5")
    first, second = contents(tmp_path / "1"), contents(tmp_path / "3")
    assert first and first == second


def test_clips_of_another_configuration_do_not_stay(tmp_path: Path) -> None:
    changes = {"width": 160, "height": 120, "subjects": 1, "fps": 25.0}
    for clips, quirks in ((3, True), (1, False)):
        given = tiny("smic_vis", clips=clips, quirks=quirks, **changes)
        write(given, tmp_path)
        rows = bare(read(tmp_path, "smic_vis").samples)
        assert len(rows) == clips and rows == bare(planned(given).samples)
    assert len(contents(tmp_path)) == sum(map(len, layout("smic_vis").listing(given).values()))
    assert not any(folder.is_dir() and not any(folder.iterdir()) for folder in tmp_path.rglob("*"))


@pytest.mark.parametrize("name", ["casme_sq", "samm_lv"])
def test_an_expression_alone_is_the_one_in_its_recording(name: str) -> None:
    given = params(name, width=160, height=120, fps=50.0, clips=3, blink=1.0, shortest=0.2, longest=0.3)
    recording = next(r for r in layout(name).recordings(given) if len(r.events) > 1)
    footage = Footage(given, recording)
    for plan in recording.events:
        alone = Take(given, plan, footage.renderer)
        for number in (plan.onset, plan.apex, plan.offset):
            assert np.array_equal(footage.frame(number), alone.frame(number))
            assert np.allclose(footage.landmarks(number), alone.landmarks(number))
        assert np.abs(footage.flow(plan.onset, plan.apex) - alone.flow(plan.onset, plan.apex)).max() < 1e-6
    rest = [recording.numbers[0], recording.numbers[-1]]
    assert all(not footage.levels(number).any() for number in rest)
