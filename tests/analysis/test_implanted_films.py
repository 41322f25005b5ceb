"""Films with implants: written beside their truth, and what a spotter is measured on."""

import csv

import analysis_world as world
import numpy as np
import pytest
from typer.testing import CliRunner

from mer.analysis.footage import open_footage
from mer.analysis.implant_bench import AMPLITUDES, row, run_spotting_bench, score_film
from mer.analysis.implanting import ImplantedFilm, Recipe, class_of, follow, implant_film
from mer.core.errors import MediaError
from mer.simulate.expression import UnitPlan
from mer.simulate.implant import Implant


def implanted(onset, emotion="happiness", amplitude=0.03):
    return Implant(onset, onset + 5, onset + 10, "micro", emotion, (UnitPlan(12, "", 1.0, 0.0, 0.0),), amplitude)


def candidate(onset, offset, emotion="positive", confidence=0.8):
    apex = (onset + offset) // 2
    return {"onset": onset, "apex": apex, "offset": offset, "emotion": emotion, "confidence": confidence}


def test_found_missed_and_false(tmp_path):
    film = ImplantedFilm(
        tmp_path, tmp_path, 30.0, 60.0, [implanted(30), implanted(90, "disgust", 0.05), implanted(200)]
    )
    spotted = [
        candidate(30, 40),
        candidate(92, 101, "positive"),
        candidate(150, 160),
        candidate(32, 38, confidence=0.1),
    ]
    scored = score_film(film, spotted, [candidate(149, 160)])
    assert [found and found["onset"] for _, found in scored.found] == [30, 92, None]
    assert [one["onset"] for one in scored.alarms] == [150, 32]
    assert (scored.counts.tp, scored.counts.fp, scored.counts.fn) == (2, 2, 1)
    told = row("film", [scored, scored])
    assert (told.at_3, told.at_5, told.at_1, told.named) == ("2/4", "2/2", "0/0", "2/4")
    assert told.alarms == pytest.approx(2.0) and told.control == pytest.approx(1.0)
    assert told.f1 == pytest.approx(4 / 7)


def test_classes_of_emotions():
    emotions = ("happiness", "disgust", "surprise", "others")
    assert [class_of(implanted(1, emotion)) for emotion in emotions] == ["positive", "negative", "surprise", ""]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return world.write_film(tmp_path_factory.mktemp("film") / "still.mp4", world.film(110, size=0.0))


@pytest.mark.slow
def test_a_film_and_its_control(film, tmp_path):
    recipe = Recipe(3, (0.05,), units=((6, 12),))
    made = implant_film(film, tmp_path / "out", recipe)
    assert made.implants and made.visible == pytest.approx(110 / 30, abs=0.1)
    pictures = [list(open_footage(path).frames(0, 110)) for path in (made.control, made.film)]
    inside = np.zeros(110, bool)
    for one in made.implants:
        inside[one.onset + 2 : one.offset - 1] = True
    change = [np.abs(a.astype(int) - b).max() for a, b in zip(*pictures, strict=True)]
    apexes = [change[one.apex] for one in made.implants]
    outside = [value for value, there in zip(change, inside, strict=True) if not there]
    assert min(apexes) > 3 * max(np.median(outside), 6)
    with open(tmp_path / "out" / "truth.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [int(one["apex"]) for one in rows] == [one.apex for one in made.implants]
    again = implant_film(film, tmp_path / "again", recipe)
    assert list(again.implants) == list(made.implants)


@pytest.mark.slow
def test_landmarks_are_those_of_the_film(film):
    face = follow(open_footage(film))
    assert face.seen.all() and 20 < face.eyes < 80
    assert np.abs(face.landmarks[10] - face.landmarks[100]).max() < 1.5


@pytest.mark.slow
def test_a_film_without_a_face(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 120, 160, 3)).astype(np.uint8)
    with pytest.raises(MediaError, match="no face"):
        implant_film(world.write_film(tmp_path / "noise.mp4", noise), tmp_path / "out", Recipe())


@pytest.mark.slow
def test_the_bench_has_a_row_for_a_film(tmp_path):
    from mer.cli import app

    model = world.write_model(tmp_path)
    film = world.write_film(tmp_path / "short.mp4", world.film(80, size=0.0, seed=5))
    (told,) = run_spotting_bench([film], (0,), model)
    given = [int(getattr(told, f"at_{round(100 * a)}").split("/")[1]) for a in AMPLITUDES]
    assert told.film == "short.mp4" and sum(given) >= 1 and told.seconds == pytest.approx(80 / 30, abs=0.3)
    done = CliRunner().invoke(app, ["bench", "spotting", str(tmp_path / "none.mp4"), "--experiment", str(model)])
    assert done.exit_code != 0
