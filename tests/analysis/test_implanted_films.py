"""Films with implants, written beside their truth."""

import csv

import analysis_world as world
import numpy as np
import pytest
from typer.testing import CliRunner

from mer.analysis.footage import open_footage
from mer.analysis.implanting import Recipe, follow, implant_film
from mer.cli import app
from mer.core.container import Container
from mer.core.errors import ConfigError, MediaError
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
    with Container(tmp_path / "out" / "truth.h5") as truth:
        assert len(truth.clip_ids) == len(rows)
        for name, one in zip(truth.clip_ids, made.implants, strict=True):
            clip = truth.clip(name)
            assert clip.read("numbers").tolist() == list(range(one.onset, one.offset + 1))
            strongest = clip.read("intensities").sum(axis=1).argmax()
            assert one.onset + strongest == one.apex and not clip.read("intensities")[[0, -1]].any()
            # The truth of the apex is what was warped: where it moves most, the film differs from its control.
            flow = np.hypot(*np.moveaxis(clip.read("flow"), -1, 0))
            assert flow.shape == (240, 300) and 0.02 * 40 < flow.max() < 0.06 * 80
            differs = np.abs(pictures[1][one.apex].astype(int) - pictures[0][one.apex]).max(axis=-1)
            assert differs[flow > 0.5 * flow.max()].mean() > 3 * differs[flow < 1e-3].mean()
    again = implant_film(film, tmp_path / "again", recipe)
    assert list(again.implants) == list(made.implants)


@pytest.mark.slow
def test_the_command_implants_what_is_asked_for(film, tmp_path):
    words = [
        "simulate",
        str(tmp_path / "out"),
        "--into",
        str(film),
        "--amplitudes",
        "0.04",
        "--macro",
        "1",
        "--seed",
        "2",
    ]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0 and "expressions in" in done.output
    with open(tmp_path / "out" / "truth.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert rows and {(row["type"], row["amplitude"]) for row in rows} == {("macro", "0.08")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--into a.mp4 --lifelike 20", "--into and --lifelike; expected one of both"),
        ("--macro 0.5", "--macro: does nothing without --into"),
        ("--habit micro=6", "--habit: does nothing without --lifelike"),
        ("--into a.mp4 --amplitudes 0.02,x", "--amplitudes: '0.02,x'; expected numbers above 0"),
        ("--into a.mp4 --amplitudes 0.3", "expected numbers above 0 and up to 0.08"),
    ],
)
def test_what_does_not_go_together_is_one_line(tmp_path, words, message):
    with pytest.raises(ConfigError) as caught:
        CliRunner().invoke(app, ["simulate", str(tmp_path / "out"), *words.split()], catch_exceptions=False)
    assert message in str(caught.value)


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
