"""YAML of strangers: nothing is dropped in silence, and nothing grows."""

import time

import pytest

from mer.core.errors import ConfigError
from mer.core.yaml_text import LARGEST, parse_yaml, read_yaml
from mer.planning.read_config import read_files


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("flow:\n  apex: {method: dis}\nseed: 1\nflow:\n  long: {method: dis}\n", "lines 1 and 4"),
        ("flow:\n  apex: {method: dis}\n  apex: {method: tvl1}\n", "lines 2 and 3"),
        ('a: [{b: 1, "b": 2}]\n', "lines 1 and 1"),
    ],
)
def test_a_key_twice_names_both_lines(tmp_path, text, lines):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"stands twice in one block, in {lines}; expected every key once"):
        read_files([path])


def test_the_same_key_in_two_files_lays_the_second_over_the_first(tmp_path):
    for name, text in (("a.yaml", "flow: {a: {m: 1}}\n"), ("b.yaml", "flow: {b: {m: 2}}\n")):
        (tmp_path / name).write_text(text)
    assert read_files([tmp_path / "a.yaml", tmp_path / "b.yaml"]) == {"flow": {"a": {"m": 1}, "b": {"m": 2}}}


def test_json_is_read_tabs_and_all_and_holds_every_key_once():
    assert parse_yaml('{\n\t"a": [1, {"b": null}]\n}', "c.json") == {"a": [1, {"b": None}]}
    with pytest.raises(ConfigError, match="'a' stands twice"):
        parse_yaml('{\n\t"a": 1,\n\t"a": 2}', "c.json")


def test_anchors_that_explode_are_refused_before_they_do():
    levels = ["a0: &a0 {x: 1, y: 2}"] + [
        f"a{k}: &a{k} {{{', '.join(f'k{n}: *a{k - 1}' for n in range(9))}}}" for k in range(1, 12)
    ]
    begun = time.process_time()
    with pytest.raises(ConfigError, match=r"line \d+: stands for more than 100000 values once its aliases"):
        parse_yaml("\n".join(levels), "c.yaml")
    merged = ["a0: &a0 {x: 1, y: 2}"] + [f"a{k}: &a{k}\n  <<: [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    with pytest.raises(ConfigError, match="aliases"):
        parse_yaml("\n".join(merged), "c.yaml")
    assert time.process_time() - begun < 5


def test_an_alias_and_a_merge_of_ordinary_size_are_read():
    text = "base: &base {size: 112, from: index}\nother:\n  <<: *base\n  size: 128\nagain: *base\n"
    base = {"size": 112, "from": "index"}
    assert parse_yaml(text, "c.yaml") == {"base": base, "other": {"from": "index", "size": 128}, "again": base}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "an anchor holds itself"),
        ("[" * 3000, "too deep|inside each other"),
        ("a: " + "[" * 60 + "]" * 60, "blocks inside each other"),
        ("a: 2020-13-45", "not YAML"),
        ("a: !!python/object/apply:os.system ['true']", "not YAML"),
        ("a: b\n--- \nc: d", "not YAML"),
        ("a: \x00", "not YAML"),
        ("x" * (LARGEST + 1), "characters"),
    ],
)
def test_what_is_no_configuration_is_one_line(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_yaml(text, "c.yaml")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path)
