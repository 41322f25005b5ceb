"""`mer bench spotting` from films to tables, files and plots."""

import csv
import json
from functools import partial
from pathlib import Path

import analysis_world as world
import numpy as np
import pytest
from typer.testing import CliRunner

from mer.analysis.bench import simulated, spotting
from mer.analysis.bench.causes import CAUSES
from mer.analysis.bench.films import Watched, tried, weaker_peaks
from mer.analysis.bench.matching import Said
from mer.analysis.bench.tables import render
from mer.analysis.footage import open_footage
from mer.bench.in_processes import in_processes
from mer.core.errors import ConfigError, MediaError, ModelError


@pytest.mark.slow
def test_a_film_and_two_spotters(tmp_path):
    from mer.cli import app

    model = world.write_model(tmp_path)
    other = tmp_path / "other.safetensors"
    other.write_bytes(model.read_bytes())
    film = world.write_film(tmp_path / "short.mp4", world.film(64, size=0.0, seed=5))
    out, keep = tmp_path / "out", tmp_path / "keep"
    words = ["bench", "spotting", str(film), "--experiment", str(model), "--against", str(other)]
    done = CliRunner().invoke(app, [*words, "--output", str(out), "--keep", str(keep)])
    assert done.exit_code == 0, done.output
    told = json.loads((out / "bench.json").read_text())
    first, second = told["rows"]
    assert (first["spotter"], second["spotter"], first["film"]) == ("model", "other", "short.mp4")
    given = sum(int(first[f"at_{a}"].split("/")[1]) for a in (1, 2, 3, 5, 8))
    assert given >= 1 and first["seconds"] == pytest.approx(64 / 30, abs=0.3)
    # The same models see the same films: nothing may differ.
    assert {**first, "spotter": ""} == {**second, "spotter": ""}
    assert told["real"]["spotters"]["model"] == told["real"]["spotters"]["other"]
    assert sum(told["real"]["against"]["other"][name]["0.03"] for name in ("only_first", "only_second")) == 0
    with (out / "implants.csv").open(newline="") as handle:
        assert len(list(csv.DictReader(handle))) == 2 * given
    for name in ("amplitude", "sweep", "causes", "reliability-spotting", "reliability-naming"):
        assert (out / f"real-{name}.png").read_bytes().startswith(b"\x89PNG")
    files = (path for path in keep.rglob("*") if path.is_file())
    kept = {path.relative_to(keep).as_posix() for path in files if path.suffix in (".mp4", ".html", ".h5")}
    folder = "short.mp4"
    pages = {f"{folder}/{film}-{n}/page.html" for film in ("control", "film0") for n in (0, 1)}
    assert kept == {f"{folder}/control.mp4", f"{folder}/film0.mp4", *pages}
    assert "by model alone" in done.stdout and "false alarms a minute (count)" in done.stdout


def watched(name, seconds=60.0, candidates=()):
    said = Said(candidates, np.zeros((0, 2)), 0.5)
    return Watched(name, Path(f"{name}-film0.mp4"), 30.0, seconds, np.zeros((9, 68, 2)), [], [said])


def test_a_film_that_cannot_be_used_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    def control(job):
        if job.name == "b.mp4":
            raise MediaError(job.video, "no face in any frame")
        return watched(job.name)

    monkeypatch.setattr(spotting, "watch_control", control)
    monkeypatch.setattr(spotting, "watch_film", lambda job, control: watched(job.name, 1.0))
    lines = []
    asked = spotting.Asked([Path("a.mp4"), Path("b.mp4"), Path("c.mp4")], seeds=(0, 1))
    outcome = spotting.run_spotting_bench(asked, lines.append)
    assert [(row.film, row.seconds) for row in outcome.rows] == [("a.mp4", 120), ("c.mp4", 120), ("all", 240)]
    assert len(outcome.failed) == 1 and any("b.mp4: no face" in line for line in lines)
    assert "a.mp4" in render(outcome)
    with pytest.raises(MediaError, match="no face"):
        spotting.run_spotting_bench(spotting.Asked([Path("b.mp4")]))


def test_names_of_films_are_unlike(tmp_path):
    paths = [tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4", tmp_path / "y.mp4"]
    assert spotting.unlike(paths) == ["x.mp4", "x.mp4 (2)", "y.mp4"]


def test_models_that_are_not_there_stop_it_before_any_film(tmp_path):
    asked = spotting.Asked([tmp_path / "none.mp4"], against=(tmp_path / "none",), keep=tmp_path / "keep")
    with pytest.raises(ModelError):
        spotting.run_spotting_bench(asked)
    assert not (tmp_path / "keep").exists()


def test_peaks_below_the_threshold(tmp_path):
    score = [0.1, 0.2, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.3, 0.1, 0.1, 0.1, 0.8, 0.1]
    lines = "".join(f"{k},{k / 10},1.0,{'' if k == 0 else value}\n" for k, value in enumerate(score))
    (tmp_path / "scores.csv").write_text(f"frame,seconds,quality,score_micro\n{lines}")
    value = {
        "model": {"thresholds": {"micro": 0.5}},
        "intervals": [{"type": "micro", "onset": 4, "offset": 6}],
        "left_out": [{"type": "micro", "onset": 8, "offset": 10}],
    }
    # 5 is the candidate, 9 was left out, 13 is above the threshold and was turned down for something else.
    assert weaker_peaks(tmp_path / "scores.csv", value, 10.0).tolist() == [[1, 0.2]]


@pytest.mark.slow
def test_a_simulated_person_and_what_happens(tmp_path, monkeypatch):
    monkeypatch.setattr(simulated, "SECONDS", 2.0)
    happened = simulated.write_person(1, tmp_path / "person.mp4")
    film = open_footage(tmp_path / "person.mp4")
    assert film.size == simulated.SIZE and len(film) == 60
    assert happened and all(0 <= one.first <= one.last < 60 for one in happened)
    assert {one.cause for one in happened} <= set(CAUSES)


def test_nobody_to_watch():
    with pytest.raises(ConfigError, match="no film"):
        spotting.run_spotting_bench(spotting.Asked([]))


@pytest.mark.slow
def test_work_in_processes_keeps_its_order_and_its_mistakes(tmp_path):
    film = world.write_film(tmp_path / "short.mp4", world.film(4, onset=0))
    with in_processes(2) as each:
        found = list(each(partial(tried, open_footage), [(film,), (tmp_path / "none.mp4",), (film,)]))
    assert [len(one) if not isinstance(one, MediaError) else "error" for one in found] == [4, "error", 4]
