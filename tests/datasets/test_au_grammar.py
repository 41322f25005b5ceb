"""The AU grammar: each form of every table, and nothing lost under mutation."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.sample import ActionUnit
from mer.datasets.au import choose, parse_aus

AU = ActionUnit


@pytest.mark.parametrize(
    ("cell", "units"),
    [
        ("4", [AU(4)]),
        ("1+2+L4", [AU(1), AU(2), AU(4, "L")]),
        ("12L", [AU(12, "L")]),
        ("4R+7", [AU(4, "R"), AU(7)]),
        ("r18", [AU(18, "R")]),
        ("12+15 ", [AU(12), AU(15)]),
        ("L12 + 61", [AU(12, "L"), AU(61)]),
        ("A12+A7", [AU(12, "A"), AU(7, "A")]),
        ("T17+B25", [AU(17, "T"), AU(25, "B")]),
        ("L12A", [AU(12, "L", "A")]),
        ("12AL", [AU(12, "L", "A")]),
        ("10A/B", [AU(10, "", "A/B")]),
        ("4(B/C)", [AU(4, "", "B/C")]),
        ("4?+13", [AU(4, uncertain=True), AU(13)]),
        ("AU1+AU 2", [AU(1), AU(2)]),
        ("4+6,24", [AU(4), AU(6), AU(24)]),
        ("4，7,", [AU(4), AU(7)]),
        ("7B+ ref(43)", [AU(7, "", "B"), AU(43, ref=True)]),
        ("ref(7B)", [AU(7, "", "B", ref=True)]),
        ("Ref (L10)", [AU(10, "L", ref=True)]),
        ("4(k)+5", [AU(4, kept=True), AU(5)]),
        ("L12 or L14", [AU(12, "L", alternative="1.1"), AU(14, "L", alternative="1.2")]),
        ("14or23", [AU(14, alternative="1.1"), AU(23, alternative="1.2")]),
        ("10 or11", [AU(10, alternative="1.1"), AU(11, alternative="1.2")]),
        ("(23/24)", [AU(23, alternative="1.1"), AU(24, alternative="1.2")]),
        ("(R6 or R12)+R15", [AU(6, "R", alternative="1.1"), AU(12, "R", alternative="1.2"), AU(15, "R")]),
        ("R(12or14)B", [AU(12, "R", "B", alternative="1.1"), AU(14, "R", "B", alternative="1.2")]),
        ("A/L12", [AU(12, "A", alternative="1.1"), AU(12, "L", alternative="1.2")]),
        ("12A/14", [AU(12, "", "A", alternative="1.1"), AU(14, alternative="1.2")]),
        ("12 or (14+17)", [AU(12, alternative="1.1"), AU(14, alternative="1.2"), AU(17, alternative="1.2")]),
    ],
)
def test_every_form_is_read_without_a_note(cell, units):
    assert parse_aus(cell) == (tuple(units), ())


@pytest.mark.parametrize("cell", ["", "  ", "none", "NULL", "null", "/"])
def test_empty_cells_give_nothing(cell):
    assert parse_aus(cell) == ((), ())


@pytest.mark.parametrize(
    ("cell", "numbers", "notes"),
    [
        ("soft focus", [], ("soft focus",)),
        ("4 glare", [4], ("glare",)),
        ("big swallow+17", [17], ("big swallow",)),
        ("ADR30+4", [4], ("ADR30",)),
        ("loses AU4", [], ("loses AU4",)),
        ("twice - 45", [45], ("twice -",)),
        ("double 45", [45], ("double",)),
        ("reaction?", [], ("reaction?",)),
        ("1.2", [], ("1.2",)),
        ("123+4", [4], ("123",)),
        ("0+4", [4], ("0",)),
        ("L12 or", [12], ("or",)),
        ("12.0", [12], ("12.0 read as 12",)),
        ("(4", [4], ("( without )",)),
    ],
)
def test_what_is_not_an_action_unit_becomes_a_note(cell, numbers, notes):
    units, pieces = parse_aus(cell)
    assert [unit.number for unit in units] == numbers
    assert pieces == notes


def test_choose_resolves_alternatives():
    units, _ = parse_aus("(R6 or R12)+15")
    assert [u.number for u in choose(units, "all")] == [6, 12, 15]
    assert [u.number for u in choose(units, "first")] == [6, 15]
    assert [u.number for u in choose(units, "none")] == [15]


PIECES = st.sampled_from(
    [
        "1",
        "2",
        "4",
        "12",
        "14",
        "07",
        "201",
        "L",
        "R",
        "A",
        "B",
        "T",
        "E",
        "+",
        ",",
        "，",
        " ",
        "/",
        "or",
        "?",
        "(",
        ")",
        "(k)",
    ]
    + ["ref", "AU", ".", "-", "glare", "loses ", "é", "１", "0", "\n", "²", ";"]
)
CELLS = st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=30))


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(CELLS)
def test_nothing_is_lost_in_any_cell(cell):
    units, notes = parse_aus(cell)
    numbers = {unit.number for unit in units}
    kept = re.findall(r"[0-9]+", " ".join(notes))
    plain = cell.translate({0xFF10 + i: 0x30 + i for i in range(10)})
    for run in re.findall(r"[0-9]+", plain):
        assert int(run) in numbers or any(run in piece for piece in kept), (cell, units, notes)
    assert all(1 <= number <= 99 for number in numbers)
    written = {int(run) for run in re.findall(r"[0-9]+", plain)}
    assert numbers <= written, "a unit that the cell does not name"
    assert all(set(unit.side) <= set("LRATB") and len(unit.side) <= 1 for unit in units)


def test_a_cell_of_brackets_or_a_book_does_not_hang():
    assert parse_aus("(" * 3000 + "4")[0] == (ActionUnit(4),)
    text = "L/" * 10_000
    assert parse_aus(text) == ((), (text,))
