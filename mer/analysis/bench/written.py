"""The outcome of a spotting bench as files: JSON, tables of rows, implants and false alarms, and plots."""

from __future__ import annotations

from pathlib import Path

from mer.analysis.bench.plots import draw_plots
from mer.analysis.bench.spotting import Outcome
from mer.core.atomic import write_json
from mer.core.csvfile import write_csv
from mer.core.picture_page import write_picture_page
from mer.spotting.shown_class import shown_class

IMPLANTS = ("spotter", "person", "film", "onset", "apex", "offset", "type", "amplitude", "units", "class",
            "found_at", "named", "confidence")  # fmt: skip
ALARMS = ("spotter", "person", "film", "onset", "apex", "offset", "onset_s", "offset_s", "confidence", "named", "cause",
          "stays")  # fmt: skip


def write_outcome(outcome: Outcome, folder: Path) -> Path:
    """Write `bench.json`, `rows.csv`, `implants.csv`, `alarms.csv` and plots with a page; return the page.

    Raises:
        StorageError: the folder is not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    value = outcome.as_object()
    write_json(folder / "bench.json", value)
    rows = value["rows"]
    write_csv(folder / "rows.csv", list(rows[0]), [list(one.values()) for one in rows])
    write_csv(folder / "implants.csv", IMPLANTS, _implants(outcome))
    write_csv(folder / "alarms.csv", ALARMS, _alarms(outcome))
    heading = "Expressions implanted into films of faces: what was found, and what besides"
    return write_picture_page(folder, "mer bench spotting", heading, draw_plots(value))


def _implants(outcome: Outcome) -> list[list[object]]:
    rows: list[list[object]] = []
    for spotter, films in zip(outcome.spotters, outcome.films, strict=True):
        for film in films:
            for one, hit in film.found:
                what = [one.onset, one.apex, one.offset, one.kind, f"{one.amplitude:g}",
                        "+".join(unit.text for unit in one.units), shown_class(one.emotion)]  # fmt: skip
                found = [hit["onset"], hit["emotion"] or "", hit["confidence"]] if hit else ["", "", ""]
                rows.append([spotter.name, film.person, film.film, *what, *found])
    return rows


def _alarms(outcome: Outcome) -> list[list[object]]:
    rows: list[list[object]] = []
    for spotter, films, controls in zip(outcome.spotters, outcome.films, outcome.controls, strict=True):
        for film in (*controls, *films):
            for one in film.alarms:
                told = [one[name] for name in ("onset", "apex", "offset", "onset_s", "offset_s", "confidence")]
                stays = "" if one["stays"] != one["stays"] else f"{one['stays']:.3f}"
                rows.append([spotter.name, film.person, film.film, *told, one["emotion"] or "", one["cause"], stays])
    return rows
