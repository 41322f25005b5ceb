"""The AU grammar: each form of every table, and nothing lost under mutation."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.sample import ActionUnit
from mer.datasets.au import NUMBERS, choose, parse_aus

AU = ActionUnit
SIDED = ((4, "A", "1.1"), (4, "R", "1.2"), (7, "A", "2.1"), (7, "R", "2.2"))


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
        ("(A/R)14B", [AU(14, "A", "B", alternative="1.1"), AU(14, "R", "B", alternative="1.2")]),
        ("(L/A)4B", [AU(4, "L", "B", alternative="1.1"), AU(4, "A", "B", alternative="1.2")]),
        ("(L/A)12(B/A)", [AU(12, "L", "B/A", alternative="1.1"), AU(12, "A", "B/A", alternative="1.2")]),
        ("l or a 4", [AU(4, "L", alternative="1.1"), AU(4, "A", alternative="1.2")]),
        ("(L)12+12(R)", [AU(12, "L"), AU(12, "R")]),
        ("12(L/R)", [AU(12, "L", alternative="1.1"), AU(12, "R", alternative="1.2")]),
        ("12LB+14 R", [AU(12, "L", "B"), AU(14, "R")]),
        ("1RD+23RD", [AU(1, "R", "D"), AU(23, "R", "D")]),
        ("12 L14", [AU(12), AU(14, "L")]),
        ("(12+14)(B/C)", [AU(12, "", "B/C"), AU(14, "", "B/C")]),
        ("(A/R)(4+7)B", [AU(n, s, "B", alternative=a) for n, s, a in SIDED]),
        ("14orL23", [AU(14, alternative="1.1"), AU(23, "L", alternative="1.2")]),
        ("12Aor14", [AU(12, "", "A", alternative="1.1"), AU(14, alternative="1.2")]),
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
        ("loses 1+2", [], ("loses 1+2",)),
        ("4 loses (1+2) + 7", [4, 7], ("loses (1+2)",)),
        ("6+12+loses AU4+25", [6, 12, 25], ("loses AU4",)),
        ("loses the ref(43)", [], ("loses the ref(43)",)),
        ("subject do 2x R2", [2], ("subject do 2x",)),
        ("45 x 2+4", [4], ("45 x 2",)),
        ("1st 4, 2nd 7", [4, 7], ("1st", "2nd")),
        ("4 at 200fps", [4], ("at 200fps",)),
        ("4+3+99", [4], ("3", "99")),
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


def test_what_is_lost_is_not_there_and_the_rest_is_an_alternative():
    units, notes = parse_aus("(loses 1+2) or (4(B/C))")
    assert (units, notes) == ((AU(4, "", "B/C", alternative="1.2"),), ("loses 1+2",))
    assert choose(units, "first") == ()


def test_a_number_of_times_is_no_unit():
    units, _ = parse_aus("subject do 2x R2(B/C)")
    assert units == (AU(2, "R", "B/C"),)


def test_choose_resolves_alternatives():
    units, _ = parse_aus("(R6 or R12)+15")
    assert [u.number for u in choose(units, "all")] == [6, 12, 15]
    assert [u.number for u in choose(units, "first")] == [6, 15]
    assert [u.number for u in choose(units, "none")] == [15]


@pytest.mark.parametrize(
    ("cell", "sure"),
    [
        ("A/L12+4", [AU(12), AU(4)]),
        ("(A/R)14B", [AU(14, "", "B")]),
        ("12 or 14", []),
        ("(loses 1) or 4", []),
        ("4 or (4+7)", []),
    ],
)
def test_a_unit_of_which_only_the_side_is_in_doubt_is_there(cell, sure):
    assert choose(parse_aus(cell)[0], "none") == tuple(sure)


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
    + ["(A/R)", "(B/C)", "(L)", "2x", "x", " R", "lost ", "2nd"]
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
    assert numbers <= NUMBERS
    written = {int(run) for run in re.findall(r"[0-9]+", plain)}
    assert numbers <= written, "a unit that the cell does not name"
    assert all(set(unit.side) <= set("LRATB") and len(unit.side) <= 1 for unit in units)


def test_a_cell_of_brackets_or_a_book_does_not_hang():
    assert parse_aus("(" * 3000 + "4")[0] == (ActionUnit(4),)
    text = "L/" * 10_000
    assert parse_aus(text) == ((), (text,))


SIDES, LEVELS = ("", "L", "R", "A", "T", "B"), ("", "A", "B", "C", "D", "E", "A/B", "B/C", "C/A")
UNITS = st.builds(
    ActionUnit,
    st.sampled_from(sorted(NUMBERS)),
    st.sampled_from(SIDES),
    st.sampled_from(LEVELS),
    uncertain=st.booleans(),
    ref=st.booleans(),
    kept=st.booleans(),
)


def typed(unit, draw):
    """Return a unit as an annotator may type it: where its side and its intensity stand varies."""
    before, after = unit.side, ""
    if unit.side in ("L", "R") and draw(st.booleans()):
        before, after = "", draw(st.sampled_from([unit.side, f"({unit.side})"]))
    elif unit.side:
        before = draw(st.sampled_from([unit.side, unit.side.lower(), f"({unit.side})", f"{unit.side} "]))
    level = unit.intensity and draw(st.sampled_from([unit.intensity, f"({unit.intensity})"]))
    order = [level, after]
    if len(level) == len(after) == 1:
        order = draw(st.permutations(order))
    text = draw(st.sampled_from(["", "AU", "AU "])) + before + str(unit.number) + "".join(order)
    text += "?" * unit.uncertain + "(k)" * unit.kept
    return f"{draw(st.sampled_from(['ref', 'Ref ']))}({text})" if unit.ref else text


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_is_typed_in_any_order_is_read_back(data):
    units = data.draw(st.lists(UNITS, min_size=1, max_size=5))
    cell = data.draw(st.sampled_from(["+", " + ", ", ", "，"])).join(typed(unit, data.draw) for unit in units)
    assert parse_aus(cell) == (tuple(units), ()), cell


PROSE = ("glare", "soft focus", "big swallow", "twice", "subject moves", "reaction?", "eyes", "chewing", "frame")
LOST = st.builds(
    "{} {}".format, st.sampled_from(["loses", "lost", "without", "loses the"]), st.sampled_from(["1", "L4"])
)
TIMES = st.builds("{}{}".format, st.sampled_from(["2", "3"]), st.sampled_from(["x", " x", " times", "×"]))


@settings(max_examples=200, deadline=None)
@given(st.lists(UNITS, max_size=3), st.lists(st.one_of(st.sampled_from(PROSE), LOST, TIMES), min_size=1, max_size=3))
def test_prose_gives_no_unit(units, prose):
    plain = [AU(unit.number, unit.side, unit.intensity) for unit in units]
    cell = "+".join([*(f"{unit.side}{unit.number}{unit.intensity}" for unit in plain), *prose])
    read, notes = parse_aus(cell)
    assert read == tuple(plain) and len(notes) == len(prose), cell
