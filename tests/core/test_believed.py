"""What tells that something on disk is no longer what was read, or was made otherwise than it should have been."""

import json
import os
import shutil

import pytest

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ContainerError, ModelError
from mer.core.made import difference, require_made, rows_digest
from mer.core.on_disk import beside, look, recall, remember, still
from mer.core.run_plan import FILE, models_of, planned_models, record_plan, times_kept
from mer.stages.frames.listing import Params

ROW = {"sample_id": "a", "media_path": "clip", "onset": 2, "offset": 4}
PARAMS = Params()


@pytest.fixture
def database(tmp_path):
    folder = tmp_path / "data" / "clip"
    folder.mkdir(parents=True)
    for number in range(1, 7):
        (folder / f"img{number}.jpg").write_bytes(bytes([number]) * 9)
        os.utime(folder / f"img{number}.jpg", (1_000_000_000, 1_000_000_000))
    remember(tmp_path / "s.h5", look(tmp_path / "data", [ROW], PARAMS))
    return tmp_path


def key(database, rows=(ROW,), params=PARAMS):
    return still(database / "s.h5", database / "data", rows, params)["a"].key


def test_the_key_of_a_clip_changes_with_its_contents_alone(database):
    first, picture = key(database), database / "data" / "clip" / "img3.jpg"
    assert len(first) == 16 and key(database) == first
    os.utime(picture)
    assert key(database) == first
    # The new time is remembered: nothing is read again the next time.
    assert recall(database / "s.h5")["a"].stamp == look(database / "data", [ROW], PARAMS, read=False)["a"].stamp
    stamp = picture.stat().st_mtime_ns
    picture.write_bytes(b"x" * 9)
    replaced = key(database)
    assert replaced != first and key(database) == replaced
    picture.write_bytes(bytes([3]) * 9)
    os.utime(picture, ns=(stamp, stamp))
    assert key(database) == first


def test_a_picture_moved_away_and_back_gives_a_new_key_each_time(database):
    """The run in between made its product without it."""
    first, picture = key(database), database / "data" / "clip" / "img3.jpg"
    shutil.move(picture, database / "kept.jpg")
    away = key(database)
    assert away != first
    remember(database / "s.h5", look(database / "data", [ROW], PARAMS))
    assert key(database) == away
    shutil.move(database / "kept.jpg", picture)
    assert key(database) not in (away,)


def test_only_the_frames_that_a_clip_takes_count(database):
    first = key(database)
    (database / "data" / "clip" / "img6.jpg").write_bytes(b"other")
    assert key(database) == first
    whole = Params(span="all")
    remember(database / "s.h5", look(database / "data", [ROW], whole))
    before = key(database, params=whole)
    (database / "data" / "clip" / "img6.jpg").write_bytes(b"another")
    assert key(database, params=whole) != before
    assert key(database, params=Params(margin=2)) != key(database)


def test_a_video_and_a_medium_that_is_gone_have_keys_too(database):
    row = {**ROW, "media_path": "v.mp4"}
    gone = key(database, [row])
    (database / "data" / "v.mp4").write_bytes(b"film")
    assert key(database, [row]) != gone


def test_what_was_seen_survives_a_damaged_note(database):
    first = recall(database / "s.h5")["a"].key
    for text in ("", "[]", "{", '{"a": 3}'):
        beside(database / "s.h5").write_text(text)
        assert recall(database / "s.h5") == {} and key(database)
    beside(database / "s.h5").unlink()
    assert key(database) == first


STEPS = [
    {"stage": "frames", "method": "list", "params": {"margin": 0}, "code": "a"},
    {"stage": "align", "method": "dlib", "params": {"size": 112, "smooth": None}, "code": "b"},
]


def changed(**params):
    return [STEPS[0], {**STEPS[1], "params": STEPS[1]["params"] | params}]


def test_a_product_made_otherwise_is_told_by_its_key():
    assert difference(STEPS, STEPS, code=True) == ""
    assert difference(STEPS, changed(size=128)) == "made with align size 112, not 128"
    assert difference(STEPS, changed(new=1)) == "made with align new null, not 1"
    other = [STEPS[0], {**STEPS[1], "code": "c"}]
    assert difference(STEPS, other) == "" and difference(STEPS, other, code=True) == "made by other code of align"
    assert difference([], STEPS).startswith("made by nobody knows what, not by frames (list) and align")
    row = {"sample_id": "a", "onset": 1}
    assert rows_digest([row]) == rows_digest([row | {"files": "key"}]) != rows_digest([row], ["content"])


def test_a_product_made_otherwise_is_refused_with_what_to_do(tmp_path):
    with ContainerWriter(tmp_path / "a.h5", "align", record={"chain": json.dumps(STEPS)}):
        pass
    with Container(tmp_path / "a.h5") as box:
        require_made(box, STEPS)
        with pytest.raises(ContainerError, match=r"a\.h5: made with align size 112, not 128; .*mer clean --stale"):
            require_made(box, changed(size=128))


def test_readers_take_the_models_that_the_last_run_has_planned(tmp_path):
    folder = tmp_path / "experiments" / "net"
    old, new = folder / "seed0" / "s01" / "model.safetensors", folder / "seed0" / "fold1" / "model.safetensors"
    assert planned_models(folder) is None and models_of(folder, [old, new]) == [old, new]
    record_plan(tmp_path, {"experiments/net": ["seed0/fold1/model.safetensors"]})
    assert models_of(folder, [old, new]) == [new]
    with pytest.raises(
        ModelError, match=r"holds 1 models, none of which the last run has planned; expected such as seed"
    ):
        models_of(folder, [old])
    (tmp_path / FILE).write_text("{")
    assert models_of(folder, [old]) == [old]


def test_a_copy_without_times_is_noticed(tmp_path):
    assert times_kept(tmp_path)
    record_plan(tmp_path / "run", {})
    assert times_kept(tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "kept")
    assert times_kept(tmp_path / "kept")
    os.utime(tmp_path / "kept" / FILE, (2e9, 2e9))
    assert not times_kept(tmp_path / "kept")
