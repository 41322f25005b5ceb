"""Weight files: found, fetched only when asked, and refused when they are not exactly what they should be."""

import dataclasses
import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from typer.testing import CliRunner

from mer.cli import app
from mer.core.errors import MerError, ModelError
from mer.weights import fetch as fetching
from mer.weights import locate as locating
from mer.weights.fetch import fetch, listing
from mer.weights.locate import cached, describe, locate, used
from mer.weights.read import check, tensors, without_prefix
from mer.weights.registry import WEIGHTS, Weights

SHAPES = {"a.weight": (2, 3), "a.bias": (2,)}


def read(path, expected):
    return check(path, tensors(path, 1 << 21), expected)


@pytest.fixture
def good():
    return {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def published(monkeypatch, tmp_path, good):
    """Register `demo`: published weights with a known digest; return its registry entry and a good local copy."""
    path = tmp_path / "demo.pth"
    torch.save(good, path)
    data = path.read_bytes()
    where = {"url": "https://example.org/demo.pth", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    entry = Weights("net", "x", "MIT", "a page", **where)
    monkeypatch.setitem(WEIGHTS, "demo", entry)
    return entry, path


def change(monkeypatch, **fields):
    monkeypatch.setitem(WEIGHTS, "demo", dataclasses.replace(WEIGHTS["demo"], **fields))


@pytest.mark.parametrize("form", ["safetensors", "plain", "module", "state_dict"])
def test_every_accepted_form_gives_the_same_tensors(tmp_path, good, form):
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth.tar")
    if form == "safetensors":
        save_file(good, path)
    else:
        prefixed = {f"module.{name}": value for name, value in good.items()} if form != "plain" else good
        torch.save({"state_dict": prefixed, "time": 12.5} if form == "state_dict" else prefixed, path)
    held = read(path, SHAPES)
    assert list(held) == list(SHAPES)
    assert all(torch.equal(held[name], good[name]) for name in SHAPES)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda w: w.pop("a.bias"), r"lacks a\.bias; expected all 2 tensors"),
        (lambda w: w.update(b=torch.ones(1)), "has unexpected b"),
        (lambda w: w.update({"a.bias": torch.ones(3)}), r"a\.bias has shape \(3,\); expected \(2,\)"),
        (lambda w: w.update({"a.bias": torch.tensor([1.0, float("nan")])}), r"a\.bias has values that are not finite"),
        (lambda w: w.update({"a.bias": torch.ones(2, dtype=torch.complex64)}), "expected real numbers"),
        (lambda w: [w.update({f"module.{n}": w.pop(n)}) for n in ["a.bias"]], r"lacks a\.bias"),
        (lambda w: w.clear(), "holds no tensors"),
        (lambda w: w.update({"a.bias": "text"}), "more than named tensors"),
    ],
)
def test_what_is_not_exactly_the_network_is_refused_in_one_line(tmp_path, good, spoil, message):
    spoil(good)
    torch.save(good, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=message) as error:
        read(tmp_path / "w.pth", SHAPES)
    assert "w.pth" in str(error.value) and "\n" not in str(error.value)


class Hostile:
    def __reduce__(self):
        return (Path.touch, (Path(self.mark),))


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_a_hostile_pickle_runs_nothing(tmp_path, suffix):
    bomb = Hostile()
    bomb.mark = str(tmp_path / "ran")
    (tmp_path / f"w{suffix}").write_bytes(pickle.dumps({"a": bomb}))
    with pytest.raises(ModelError, match="cannot be read"):
        read(tmp_path / f"w{suffix}", SHAPES)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_truncated_missing_or_bloated_file_is_refused(tmp_path, good, suffix):
    path = tmp_path / f"w{suffix}"
    with pytest.raises(ModelError, match="not found"):
        read(path, SHAPES)
    save_file(good, path) if suffix == ".safetensors" else torch.save(good, path)
    data = path.read_bytes()
    for cut in (0, 7, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:cut])
        with pytest.raises(ModelError, match="cannot be read"):
            read(path, SHAPES)
    path.write_bytes(data + bytes(1 << 21))
    with pytest.raises(ModelError, match="at most"):
        read(path, SHAPES)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_cleanly(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "w.pth"
    path.write_bytes(data)
    with pytest.raises(ModelError):
        read(path, SHAPES)


def test_a_prefix_comes_off_only_when_all_have_it():
    one = torch.ones(1)
    assert set(without_prefix({"module.a": one, "module.b": one})) == {"a", "b"}
    assert set(without_prefix({"module.a": one, "b": one})) == {"module.a", "b"}


def test_bundled_files_are_what_the_registry_says():
    bundled = {name: known for name, known in WEIGHTS.items() if known.bundled}
    assert "ifnet_small" in bundled
    for name, known in bundled.items():
        path = locate(name)
        assert path.stat().st_size == known.size and describe(name) == f"{name}, sha256 {known.sha256}"
        assert path.with_suffix(".md").is_file(), "a bundled file without its card"
    files = {path.name for path in locating.FILES.glob("*.safetensors")}
    assert files == {known.file for known in bundled.values()}


def test_published_weights_name_licence_source_and_come_by_https():
    for name, known in WEIGHTS.items():
        assert known.licence and known.source, name
        assert known.bundled or known.url is None or known.url.startswith("https://")
        assert known.url is None or (known.sha256 and known.size)
        assert not known.member or known.download


def test_locate_says_what_to_run(published):
    with pytest.raises(ModelError, match=r"weights demo: not on this machine.*mer weights fetch demo --accept-licence"):
        locate("demo")
    with pytest.raises(ModelError, match=r"unknown.*did you mean 'ifnet_small'"):
        locate("ifnet_smal")
    with pytest.raises(ModelError, match="weight file not found"):
        locate("nowhere/w.pth")


def test_a_path_is_accepted_and_its_digest_recorded(published):
    _, path = published
    assert locate(str(path)) == path
    assert describe(str(path)) == f"demo.pth, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert used(dataclasses.make_dataclass("P", ["weights"])(str(path))) == [path]
    assert used(object()) == []


def test_nothing_is_fetched_without_agreement(published, monkeypatch, cache):
    monkeypatch.setattr(fetching.urllib.request, "urlopen", lambda *a, **k: pytest.fail("opened a connection"))
    with pytest.raises(ModelError, match=r"licence: MIT; source: a page.*--accept-licence"):
        fetch("demo")
    change(monkeypatch, sha256=None)
    with pytest.raises(ModelError, match=r"cannot be downloaded by mer.*--file"):
        fetch("demo", accept_licence=True)
    assert not cache.exists()


def test_a_local_file_is_checked_then_found(published, cache):
    entry, path = published
    target = fetch("demo", path, True, log=lambda line: None)
    assert target == locate("demo") == cached("demo") and target.parent == cache
    assert json.loads(target.with_suffix(".json").read_text())["sha256"] == entry.sha256
    target.write_bytes(target.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="changed or damaged"):
        locate("demo")


@pytest.mark.parametrize("spoil, message", [(b"", "bytes; expected"), (b"x", "another file than the published one")])
def test_another_local_file_is_refused_and_nothing_left(published, cache, spoil, message):
    _, path = published
    path.write_bytes(path.read_bytes()[:-1] + spoil)
    with pytest.raises(ModelError, match=message):
        fetch("demo", path, True)
    assert list(cache.iterdir()) == []


def test_weights_without_a_published_digest_keep_the_one_they_came_with(published, monkeypatch):
    _, path = published
    change(monkeypatch, sha256=None, size=None, url=None)
    target = fetch("demo", path, True, log=lambda line: None)
    assert locate("demo") == target
    target.write_bytes(target.read_bytes() + b"x")
    with pytest.raises(ModelError, match="changed or damaged"):
        locate("demo")


class Answer(io.BytesIO):
    def __enter__(self):
        return self


def test_download_is_capped_checked_and_whole_or_absent(published, monkeypatch, cache):
    _, path = published
    data = path.read_bytes()
    served = {"data": data}
    monkeypatch.setattr(fetching.urllib.request, "urlopen", lambda *a, **k: Answer(served["data"]))
    for wrong, message in (
        (data + b"x", "more than"),
        (data[:-9], "ends after"),
        (data[::-1], "another file than the published one"),
    ):
        served["data"] = wrong
        with pytest.raises(ModelError, match=message):
            fetch("demo", accept_licence=True, log=lambda line: None)
        assert list(cache.iterdir()) == []
    served["data"] = data
    assert fetch("demo", accept_licence=True, log=lambda line: None).read_bytes() == data


def test_no_connection_is_one_line(published, monkeypatch):
    def refuse(*_, **__):
        raise fetching.urllib.error.URLError("no route")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", refuse)
    with pytest.raises(ModelError, match=r"cannot be downloaded \(no route\).*--file"):
        fetch("demo", accept_licence=True, log=lambda line: None)


def test_an_archive_gives_its_member_and_no_more_than_registered(published, monkeypatch, tmp_path):
    entry, path = published
    archive = tmp_path / "demo.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as box:
        box.write(path, "train_log/demo.pth")
        box.writestr("train_log/readme.txt", "x")
    change(monkeypatch, member="demo.pth", download=archive.stat().st_size)
    assert fetch("demo", archive, True, log=lambda line: None).read_bytes() == path.read_bytes()
    monkeypatch.setattr(fetching.urllib.request, "urlopen", lambda *a, **k: Answer(archive.read_bytes()))
    assert fetch("demo", accept_licence=True, log=lambda line: None).read_bytes() == path.read_bytes()
    change(monkeypatch, size=entry.size - 1)
    with pytest.raises(ModelError, match="more than"):
        fetch("demo", archive, True)
    index = archive.read_bytes().index(b"PK\x01\x02")
    misnamed = bytearray(archive.read_bytes())
    misnamed[index + 8 : index + 10], misnamed[index + 46] = b"\x00\x08", 0xFF  # a name that claims to be UTF-8
    for damaged in (b"PK not a zip", bytes(misnamed)):
        archive.write_bytes(damaged)
        with pytest.raises(ModelError, match="not a readable zip archive"):
            fetch("demo", archive, True)


def test_the_command_lists_and_fetches(published):
    _, path = published
    run = CliRunner().invoke(app, ["weights", "list", "--json"])
    rows = {row["name"]: row for row in json.loads(run.stdout)}
    assert rows["ifnet_small"]["state"] == "bundled" and rows["demo"]["state"] == "not fetched"
    run = CliRunner().invoke(app, ["weights", "fetch", "demo", "--file", str(path)])
    assert isinstance(run.exception, MerError) and "licence: MIT" in str(run.exception)
    run = CliRunner().invoke(app, ["weights", "fetch", "demo", "--file", str(path), "--accept-licence"])
    assert run.exit_code == 0 and {row["name"]: row for row in listing()}["demo"]["state"] == "fetched"
    assert "ifnet_small" in CliRunner().invoke(app, ["weights", "list"]).stdout
