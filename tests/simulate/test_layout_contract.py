"""The contract of a layout: registered ones keep it, one that is not ours can be held to it, breaches are named."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mer.simulate.content import FAMILY_SIZE, draw_play
from mer.simulate.contract import SLOW, Camera, Layout
from mer.simulate.names import LAYOUTS
from mer.simulate.params import SimulateParams
from mer.simulate.plan import Recording, Session, clip_seed, draw_interval, events_of
from mer.simulate.registry import layout
from mer.simulate.sheets import Table
from mer.simulate.tree import Picture, Tree
from mer.testing.layouts import check_layout, small

FOLDER = Path(__file__).parents[2] / "mer" / "simulate" / "layouts"
FIRST_FACE = 100 * FAMILY_SIZE


def people(params: SimulateParams, index: int) -> list[Recording]:
    session = Session(f"p{index}", FIRST_FACE + index, params.fps, clip_seed(params, FIRST_FACE + index, "only"))
    rng = session.interval_rng()
    when = draw_interval(params, rng)
    return [session.recording("film", [session.event("smile", "joy", draw_play((12,), 1.0, rng), when)])]


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    return [Picture((recording.subject, recording.name), f"faces/{recording.subject}/{number}.png")]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    rows = [[plan.subject, plan.onset, plan.offset] for plan in events_of(recordings)]
    return [Table("rows.csv", ("who", "from", "to"), rows)]


FOREIGN = Layout("theirs", {"foreign": Camera({"fps": 25.0, **SLOW})}, people, Tree(pictures), tables)


def broken_numbers(params: SimulateParams, index: int) -> list[Recording]:
    return [replace(recording, numbers=recording.numbers[::-1]) for recording in people(params, index)]


def crowded(params: SimulateParams, index: int) -> list[Recording]:
    return people(params.model_copy(update={"seed": params.seed + params.subjects}), index)


@pytest.mark.parametrize("module", sorted(set(LAYOUTS.values())))
def test_every_registered_layout_keeps_the_contract(module: str) -> None:
    names = [name for name, path in LAYOUTS.items() if path == module]
    assert list(layout(names[0]).cameras) == names
    check_layout(layout(names[0]), pictures=False)


def test_every_layout_file_is_registered() -> None:
    files = {f"mer.simulate.layouts.{path.stem}" for path in FOLDER.glob("*.py") if path.stem != "__init__"}
    assert files == set(LAYOUTS.values())


@pytest.mark.slow
def test_a_layout_that_is_not_ours_can_be_checked() -> None:
    check_layout(FOREIGN)
    assert small(FOREIGN, "foreign").fps == 25.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"people": broken_numbers}, "foreign: recording p0/film: numbers must be ascending"),
        ({"people": crowded}, "foreign: people: person 0 depends on how many others are"),
        ({"tree": Tree(lambda *_: [Picture(("", ""), "../a.png")])}, r"'\.\./a\.png' is not below the root"),
        ({"tree": Tree(lambda *_: [Picture(("", ""), "a.png")])}, "two frames go to 'a.png'"),
        ({"tree": Tree(lambda p, r, n: [Picture(("", ""), f"{r.subject}{n}.gif")])}, "expected one of"),
        ({"views": ("other",)}, "nothing is written for 'other'"),
        ({"cameras": {"foreign": Camera({"speed": 25.0})}}, r"camera sets \['speed'\]"),
        ({"cameras": {}}, "cameras: empty"),
        ({"tables": lambda p, r: [*tables(p, r), *tables(p, r)]}, "two have the argument"),
    ],
)
def test_breaches_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_layout(replace(FOREIGN, **change), pictures=False)  # type: ignore[arg-type]


def test_faces_of_different_databases_do_not_meet() -> None:
    first = {module: layout(name).people(small(layout(name), name), 0)[0].face for name, module in LAYOUTS.items()}
    assert all(number % FAMILY_SIZE == 0 for number in first.values())
    shared = {"mer.simulate.layouts.samm_lv", "mer.simulate.layouts.smic_e"}
    apart = [number for module, number in first.items() if module not in shared]
    assert len(set(apart)) == len(apart)


def test_nothing_imports_a_layout_but_by_name() -> None:
    package = FOLDER.parents[1]
    others = [path for path in package.rglob("*.py") if path.parent != FOLDER]
    assert not [p for p in others if re.search(r"^\s*(from|import) mer\.simulate\.layouts", p.read_text("utf-8"), re.M)]
    code = "import sys, mer.planning.catalog; print([m for m in sys.modules if m.startswith('mer.simulate.layouts.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
