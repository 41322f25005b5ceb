"""Every registered reader keeps the contract: card, options, refusals, and canonical rows from any cells."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.errors import ConfigError, MerError
from mer.core.params import Params
from mer.datasets import contract
from mer.datasets.annotations import Annotation
from mer.datasets.contract import Database, MediaTree, Release
from mer.datasets.registry import READERS, databases, reader, reader_of
from mer.datasets.table_reader import EVENT_COLUMNS, Given, TableReader, each
from mer.datasets.tables import Row
from mer.testing.readers import CELLS, check_reader, check_rows, header_texts

WITH_TABLE = [name for name in READERS if isinstance(reader(name), TableReader) and reader(name).columns]
CELL = st.one_of(st.sampled_from(CELLS), st.text(max_size=6))


def options_of(name):
    return reader(name).options(allow_speaker_leak=True) if name == "rld" else reader(name).options()


@pytest.mark.parametrize("name", READERS)
def test_every_reader_keeps_the_contract(name):
    assert reader(name).name == name
    check_reader(reader(name), options_of(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_TABLE)
def test_any_cells(name):
    columns = header_texts(reader(name))

    @settings(max_examples=120, deadline=None)
    @given(st.lists(st.lists(CELL, min_size=len(columns), max_size=len(columns)), max_size=4))
    def run(rows):
        check_rows(reader(name), [dict(zip(columns, row, strict=True)) for row in rows], options_of(name))

    run()


@pytest.mark.parametrize("name", READERS)
def test_a_root_that_is_missing_or_empty(name, tmp_path):
    with pytest.raises(MerError, match="no such folder"):
        reader(name).read(tmp_path / "absent", reader(name).options())
    with pytest.raises(MerError, match=r"annotation not found|no such folder; found: nothing|no video; found: nothing"):
        reader(name).read(tmp_path, reader(name).options())


def test_names_lead_to_readers_or_to_the_nearest_name():
    with pytest.raises(ConfigError, match=r"datasets\.x\.reader: unknown name 'casme22'; .* did you mean 'casme2'\?"):
        reader("casme22", "datasets.x.reader")
    assert reader_of("smic_vis") == (reader("smic"), {"modality": "vis"}) and reader_of("casme2")[1] == {}
    assert databases()["casme3a"][0] is reader("casme3")
    with pytest.raises(ConfigError, match=r"dataset: unknown 'smic_via'; .* did you mean 'smic_vi?s'\?|did you mean"):
        reader_of("smic_via")


def test_every_known_count_belongs_to_a_card():
    known = json.loads(Path(contract.__file__).with_name("expected.json").read_text())
    assert {name: [release.name for release in databases()[name][1].releases] for name in known} == {
        name: [release["release"] for release in releases] for name, releases in known.items()
    }


class Keys(Params):
    """Keys of an invented database."""


def clips(row: Row, given: Given[Keys]) -> Annotation:
    return Annotation.of(row, row["subject"] or "x", row["filename"] or "y")


def invented(**changes: object) -> TableReader[Keys]:
    card = Database(name="mine", fps=50.0, emotions=frozenset({"anger"}), trees=(MediaTree(view="raw"),))
    chosen = {"databases": (card,), "columns": dict(EVENT_COLUMNS), "annotate": each(clips)} | changes
    return TableReader(name="mine", options=Keys, licence=None, **chosen)  # type: ignore[arg-type]


def card(**changes: object) -> Sequence[Database]:
    return tuple(dataclasses.replace(one, **changes) for one in invented().databases)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"databases": ()}, "no database"),
        ({"databases": card(fps=-1.0)}, "mine: -1.0 frames per second"),
        ({"databases": card(emotions=frozenset({"Happy"}))}, "emotions .'Happy'. are not normalised"),
        ({"databases": card(releases=(Release("a", "guessed", {}),))}, "release 'a': status 'guessed'"),
        ({"databases": card(trees=(MediaTree(view="raw"),) * 2)}, "views .'raw', 'raw'. are none or not distinct"),
        ({"columns": {**EVENT_COLUMNS, "aus": ("Action Units",)}}, "column aus: header texts .'Action Units'. are not"),
        ({"optional": ("aus",)}, "columns .'aus'. are not columns"),
    ],
)
def test_a_card_that_is_wrong_is_named(changes, message):
    with pytest.raises(AssertionError, match=f"reader mine: .*{message}"):
        check_reader(invented(**changes))
