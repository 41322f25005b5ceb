"""`mer bench spotting`: what spotters find of expressions implanted into films, and what they find besides."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mer.analysis.bench.films import (
    AMPLITUDES,
    Job,
    Spotter,
    Watched,
    tried,
    watch_control,
    watch_film,
    with_seed,
    with_truth,
)
from mer.analysis.bench.matching import Scored, score_film
from mer.analysis.bench.summary import Row, as_object, paired, row
from mer.bench.in_processes import in_processes
from mer.core.errors import ConfigError, MerError
from mer.core.progress import each as in_turn
from mer.datasets.annotations import safe_id

Log = Callable[[str], None]
ALL, ALL_SIMULATED = "all", "all simulated"


@dataclass(frozen=True)
class Asked:
    """What the command line says.

    Args:
        videos: films of faces, each of one person.
        seeds: of the implants; each gives another film of every video.
        experiment: models as `mer analyze --experiment` takes them; None for those that come with mer.
        against: others that see the same films; None for none.
        jobs: processes that work on films at the same time.
        keep: a folder for films and pages; None to keep none.
        simulated: so many simulated people besides.
    """

    videos: Sequence[Path]
    seeds: Sequence[int] = (0,)
    experiment: Path | None = None
    against: Sequence[Path] = ()
    jobs: int = 1
    keep: Path | None = None
    simulated: int = 0

    @property
    def spotters(self) -> list[Spotter]:
        """The spotter in question, and those it is compared with."""
        return [Spotter(named(path), path) for path in (self.experiment, *self.against)]


def unlike(videos: Sequence[Path]) -> list[str]:
    """Return a name for each video: that of its file, with a number where an earlier one has the same."""
    seen: Counter[str] = Counter()
    names = []
    for video in videos:
        seen[video.name] += 1
        names.append(video.name if seen[video.name] == 1 else f"{video.name} ({seen[video.name]})")
    return names


def named(experiment: Path | None) -> str:
    """Return a short name for models."""
    return "as shipped" if experiment is None else experiment.stem


@dataclass(frozen=True)
class Outcome:
    """What each spotter's films and controls came to."""

    spotters: Sequence[Spotter]
    films: Sequence[Sequence[Scored]]
    controls: Sequence[Sequence[Scored]]
    seconds: float
    amplitudes: Sequence[float] = AMPLITUDES
    failed: Sequence[str] = field(default_factory=list)

    @property
    def casts(self) -> list[Outcome]:
        """The outcome of real people, and that of simulated ones, where there are any."""
        made = []
        for simulated in (False, True):
            films, controls = (
                [[one for one in some if one.simulated == simulated] for some in of_all]
                for of_all in (self.films, self.controls)
            )
            if films[0]:
                made.append(replace(self, films=films, controls=controls))
        return made

    @property
    def simulated(self) -> bool:
        """Whether the people are."""
        return self.films[0][0].simulated

    @property
    def rows(self) -> list[Row]:
        """A row for each person of each spotter; one for all real, and all simulated ones, where there are several."""
        return [one for cast in self.casts for one in cast._rows()]

    def _rows(self) -> list[Row]:
        rows = []
        for spotter, films, controls in zip(self.spotters, self.films, self.controls, strict=True):
            people = list(dict.fromkeys(one.person for one in films))
            for person in people:
                own, control = ([one for one in some if one.person == person] for some in (films, controls))
                rows.append(row(spotter.name, person, own, control, self.amplitudes))
            if len(people) > 1:
                name = ALL_SIMULATED if self.simulated else ALL
                rows.append(row(spotter.name, name, films, controls, self.amplitudes))
        return rows

    def as_object(self) -> dict[str, Any]:
        """Return everything for JSON; keys of amplitudes are shares of the distance between the eyes."""
        told = {("simulated" if cast.simulated else "real"): cast.details() for cast in self.casts}
        rows = [one.as_dict() for one in self.rows]
        return {"rows": rows, **told, "failed": list(self.failed), "seconds": round(self.seconds, 1)}

    def details(self) -> dict[str, Any]:
        """Return what there is besides rows: of each spotter, and of the first against each other."""
        told = zip(self.spotters, self.films, self.controls, strict=True)
        against = [paired(self.films[0], films, self.amplitudes) for films in self.films[1:]]
        return {
            "spotters": {one.name: as_object(films, controls, self.amplitudes) for one, films, controls in told},
            "against": {one.name: ratio for one, ratio in zip(self.spotters[1:], against, strict=True)},
        }


def run_spotting_bench(asked: Asked, log: Log = lambda line: None) -> Outcome:
    """Implant into every video, spot, and score.

    Raises:
        ConfigError: there is nobody to watch.
        ModelError: the models cannot be used.
        MerError: none of the videos can be used.
    """
    if not asked.videos and not asked.simulated:
        raise ConfigError("mer bench spotting", "no film", "films of faces", "name some, or add --simulated 4")
    start = time.perf_counter()
    spotters = asked.spotters
    for spotter in spotters:
        spotter.ensemble  # noqa: B018 - what cannot be used is told before any film is made
    with _folder(asked.keep) as folder:
        names = unlike(asked.videos)
        jobs = [Job(video, name, folder / safe_id(name), spotters, asked.keep is not None)
                for video, name in zip(asked.videos, names, strict=True)]  # fmt: skip
        for number in range(asked.simulated):
            name = f"simulated person {number}"
            own = folder / safe_id(name)
            jobs.append(Job(own / "person.mp4", name, own, spotters, asked.keep is not None, person=number))
        films, controls, failed = _watched(jobs, asked, log)
    scored = [[_scored(film, controls, number) for film in films] for number in range(len(spotters))]
    alone = [[_scored(control, [], number) for control in controls] for number in range(len(spotters))]
    return Outcome(spotters, scored, alone, time.perf_counter() - start, failed=failed)


def _scored(film: Watched, controls: Sequence[Watched], number: int) -> Scored:
    """Compare what the spotter of this number said of a film, or of a control when there are no controls."""
    own = next((one for one in controls if one.name == film.name), None)
    said = with_truth(film.said[number], film.happenings, film.fps)
    seconds, control = (own.seconds, own.said[number]) if own else (film.seconds, None)
    made = score_film(film.film.name, film.name, seconds, film.fps, film.implants, said, control)
    return replace(made, simulated=film.happenings is not None)


def _watched(jobs: Sequence[Job], asked: Asked, log: Log) -> tuple[list[Watched], list[Watched], list[str]]:
    """Return films and controls; what cannot be used is told, unless it is all there is."""
    failed: list[MerError] = []

    def kept(made: Iterable[Watched | MerError], count: int) -> Iterator[Watched | None]:
        for one in in_turn(made, "films", count):
            if isinstance(one, MerError):
                failed.append(one)
                log(f"mer: {one.line()}")
            yield None if isinstance(one, MerError) else one

    def told(one: Watched) -> Watched:
        what = f"{len(one.implants)} expressions" if one.implants else "as filmed"
        log(f"{one.name}: {what}, {len(one.said[0].candidates)} candidates in {one.seconds:.0f} s of a face")
        return one

    with in_processes(asked.jobs) as each:
        shown = list(kept(each(partial(tried, watch_control), [(job,) for job in jobs]), len(jobs)))
        seen = [(job, told(control)) for job, control in zip(jobs, shown, strict=True) if control]
        draws = [(with_seed(job, seed), control) for job, control in seen for seed in asked.seeds]
        films = [told(one) for one in kept(each(partial(tried, watch_film), draws), len(draws)) if one]
    if not films:
        raise failed[0]
    controls = [control for _, control in seen if any(film.name == control.name for film in films)]
    return films, controls, [error.line() for error in failed]


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="mer-implants-") as name:
        yield Path(name)
