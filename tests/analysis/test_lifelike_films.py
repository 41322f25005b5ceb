"""Films of simulated people: written with a control and the truth of all that happens."""

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from mer.analysis import lifelike_film
from mer.analysis.footage import open_footage
from mer.cli import app
from mer.simulate.habits import Habits


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    few = ["simulate", str(folder), "--lifelike", "5", "--subjects", "1", "--habit", "micro=30", "--habit", "macro=0"]
    habits = [part for name in ("hand", "cut", "away", "zoom") for part in ("--habit", f"{name}=0")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifelike_film, "SIZE", (320, 240))
        told = CliRunner().invoke(app, [*few, *habits], catch_exceptions=False)
    assert told.exit_code == 0 and "person01" in told.output
    return folder / "person01"


def test_truth_is_in_the_film_and_not_in_its_control(person):
    truth = rows(person / "truth.csv")
    assert truth and {row["type"] for row in truth} == {"micro"}
    film, control = ([f for f in open_footage(person / f"{name}.mp4").frames(0, 150)] for name in ("film", "control"))
    assert len(film) == len(control) == 150
    differ = np.array([np.abs(np.asarray(a, float) - b).max() for a, b in zip(film, control, strict=True)])
    inside = np.zeros(150, bool)
    for row in truth:
        inside[int(row["onset"]) : int(row["offset"]) + 1] = True
    strongest = [differ[int(row["apex"])] for row in truth if float(row["amplitude"]) >= 0.03]
    assert min(strongest) > 3 * np.median(differ[: int(truth[0]["onset"]) - 1] + 1)


def test_all_that_happens_is_told(person):
    happened = rows(person / "happenings.csv")
    assert {"speech", "micro"} <= {row["kind"] for row in happened}
    assert all(0 <= int(row["first"]) <= int(row["last"]) < 150 for row in happened)


def test_habits_are_named_on_the_command_line(tmp_path):
    assert lifelike_film.habits_from(["talk=0.7"]).talk == 0.7
    assert isinstance(lifelike_film.habits_from([]), Habits)
    for wrong, said in (("tlak=1", "talk"), ("talk=much", "number"), ("talk=3", "talk")):
        told = CliRunner().invoke(app, ["simulate", str(tmp_path), "--lifelike", "3", "--habit", wrong])
        assert told.exit_code != 0 and said in str(told.exception) + told.output
