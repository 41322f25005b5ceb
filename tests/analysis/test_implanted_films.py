"""Films with implants, written beside their truth."""

import csv

import analysis_world as world
import numpy as np
import pytest

from mer.analysis.footage import open_footage
from mer.analysis.implanting import Recipe, follow, implant_film
from mer.core.errors import MediaError
from mer.spotting.shown_class import shown_class


def test_classes_of_emotions():
    emotions = ("happiness", "disgust", "surprise", "others")
    assert [shown_class(emotion) for emotion in emotions] == ["positive", "negative", "surprise", ""]


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
