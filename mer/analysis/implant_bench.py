"""`mer bench spotting`: what a spotter finds of expressions implanted into films, and what it finds besides.

Each film is analysed as it was filmed (the control) and with expressions in it. An implant counts as found when the
apex of a candidate lies within it. Every other candidate is a false alarm, unless the person made an expression of
their own there: without labels nobody knows, so the rate of the control is an upper bound.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.analysis.command import Options, analyze
from mer.analysis.ensemble import Ensemble, open_ensemble
from mer.analysis.footage import open_footage
from mer.analysis.implanting import ImplantedFilm, Recipe, class_of, implant_film
from mer.core.errors import MerError
from mer.core.texttable import text_table
from mer.metrics.spotting import Counts, as_intervals, count, total
from mer.simulate.implant import Implant

AMPLITUDES = (0.01, 0.02, 0.03, 0.05, 0.08)
IOU = 0.5
Log = Callable[[str], None]
Candidate = dict[str, Any]


@dataclass(frozen=True)
class SpottingRow:
    """One film, or all of them; `at_…` are found of implanted by amplitude, in hundredths of the eye distance."""

    film: str
    seconds: float
    at_1: str
    at_2: str
    at_3: str
    at_5: str
    at_8: str
    named: str
    f1: float
    alarms: float
    control: float


HEAD = (
    "film",
    "face, s",
    "1 %",
    "2 %",
    "3 %",
    "5 %",
    "8 %",
    "named right",
    "F1, IoU .5",
    "false a minute",
    "in the control",
)


def render(rows: Sequence[SpottingRow]) -> str:
    """Return rows as aligned text."""
    cells = [
        [row.film, f"{row.seconds:.0f}", row.at_1, row.at_2, row.at_3, row.at_5, row.at_8, row.named, f"{row.f1:.3f}",
         f"{row.alarms:.2f}", f"{row.control:.2f}"]
        for row in rows
    ]  # fmt: skip
    return text_table(HEAD, cells, right=set(HEAD[1:]))


@dataclass(frozen=True)
class Scored:
    """What was found in one film: each implant with the candidate that found it, and the candidates that are none."""

    film: ImplantedFilm
    found: Sequence[tuple[Implant, Candidate | None]]
    alarms: Sequence[Candidate]
    control: Sequence[Candidate]
    counts: Counts


def score_film(film: ImplantedFilm, spotted: Sequence[Candidate], control: Sequence[Candidate]) -> Scored:
    """Compare what was spotted in a film and in its control with what was implanted.

    Args:
        film: with its implants.
        spotted: intervals as `analysis.json` has them, of the film with implants.
        control: those of the film without.
    """
    left, found = list(spotted), []
    for one in film.implants:
        inside = [c for c in left if one.onset <= c["apex"] <= one.offset]
        best = max(inside, key=lambda c: c["confidence"], default=None)
        found.append((one, best))
        left = [c for c in left if c is not best]
    true, predicted = ([(c.onset, c.offset) for c in film.implants], [(c["onset"], c["offset"]) for c in spotted])
    return Scored(film, found, left, control, count(as_intervals(true), as_intervals(predicted), IOU))


def run_spotting_bench(
    videos: Sequence[Path], seeds: Sequence[int] = (0,), experiment: Path | None = None, log: Log = lambda line: None
) -> list[SpottingRow]:
    """Implant into every video, spot, and return a row for each film and one for all.

    Args:
        videos: films of faces.
        seeds: of the implants; each gives another film of every video.
        experiment: models as `mer analyze --experiment` takes them; None for those that come with mer.
        log: takes one line.

    Raises:
        ModelError: the models cannot be used.
        MerError: none of the videos can be used.
    """
    ensemble = open_ensemble(experiment)
    scored: dict[str, list[Scored]] = {}
    for video in videos:
        for seed in seeds:
            try:
                scored.setdefault(video.name, []).append(_score_video(video, seed, ensemble, log))
            except MerError as error:
                if len(videos) == 1:
                    raise
                log(f"mer: {error.line()}")
    rows = [row(name, films) for name, films in scored.items() if films]
    return [*rows, row("all", [film for films in scored.values() for film in films])] if len(rows) > 1 else rows


def _score_video(video: Path, seed: int, ensemble: Ensemble, log: Log) -> Scored:
    with tempfile.TemporaryDirectory(prefix="mer-implants-") as name:
        folder = Path(name)
        film = implant_film(video, folder, Recipe(seed, AMPLITUDES), log)
        options = Options(folder, keep_crops=False)
        spotted, control = (
            analyze(open_footage(path), folder / path.stem, ensemble, options)["intervals"]
            for path in (film.film, film.control)
        )
        return score_film(film, spotted, control)


def row(name: str, films: Sequence[Scored]) -> SpottingRow:
    """Return the row of some films together."""
    minutes = sum(one.film.visible for one in films) / 60
    found = [pair for one in films for pair in one.found]
    hits = [(implant, candidate) for implant, candidate in found if candidate is not None and class_of(implant)]
    named = sum(candidate["emotion"] == class_of(implant) for implant, candidate in hits)
    counts = total(one.counts for one in films)
    at = {f"at_{round(100 * amplitude)}": _share(found, amplitude) for amplitude in AMPLITUDES}
    alarms, control = (_rate(some, minutes) for some in zip(*((one.alarms, one.control) for one in films), strict=True))
    return SpottingRow(
        film=name,
        seconds=60 * minutes,
        named=f"{named}/{len(hits)}",
        f1=counts.f1,
        alarms=alarms,
        control=control,
        **at,
    )


def _share(found: Iterable[tuple[Implant, Candidate | None]], amplitude: float) -> str:
    given = [candidate for implant, candidate in found if abs(implant.amplitude - amplitude) < 1e-9]
    return f"{sum(candidate is not None for candidate in given)}/{len(given)}"


def _rate(candidates: Iterable[Sequence[Candidate]], minutes: float) -> float:
    return sum(map(len, candidates)) / minutes if minutes else 0.0
