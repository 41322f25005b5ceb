"""Errors, seeds, registries and atomic files."""

import pickle

import pytest

from mer.core.atomic import atomic_path, write_json
from mer.core.errors import ClipError, ConfigError
from mer.core.registry import load, nearest
from mer.core.seeds import derive_seed


def test_an_error_is_one_line_even_from_hostile_parts():
    error = ClipError("a\nb.xlsx row 3", "found\ttabs", "none", "")
    assert error.line() == "a b.xlsx row 3: found tabs; expected none"
    assert pickle.loads(pickle.dumps(error)).line() == error.line()


def test_seeds_depend_on_names_and_not_on_order_of_use():
    assert derive_seed(0, "fold", "a") == derive_seed(0, "fold", "a")
    seeds = {derive_seed(s, "fold", f) for s in range(5) for f in "abcde"}
    assert len(seeds) == 25
    assert derive_seed(1, "2") != derive_seed(12, "")


def test_a_misspelt_name_gets_the_nearest_valid_one():
    with pytest.raises(ConfigError, match=r"flow.a.method: unknown name 'tvl2'.*did you mean 'tvl1'"):
        load({"tvl1": "math", "dis": "json"}, "tvl2", "flow.a.method")
    assert load({"maths": "math"}, "maths", "x").sqrt(4) == 2
    assert nearest("zzz", ["b", "a"]) == "valid names: a, b"


def test_a_failed_write_keeps_what_was_there(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.json").read_text() == '{\n "a": 2,\n "b": 1\n}\n'
    assert len(list(tmp_path.iterdir())) == 1


def test_an_error_cannot_steer_a_terminal():
    line = ClipError("a\x1b[2Jb\u202egpj.exe", "x" * 9000).line()
    assert "\\x1b[2Jb\\u202e" in line and line.isprintable() and len(line) < 3000
