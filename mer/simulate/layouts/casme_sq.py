"""Simulated recordings laid out as CAS(ME)^2 is delivered (specs/datasets.md §5).

    CAS(ME)^2code_final.xlsx                             sheet CASFEcode_final without a header, and two naming sheets
    rawpic/s15/15_0101disgustingteeth/img001.jpg         whole recordings, only with `raw`
    selectedpic/s15/disgust1_1/img021.jpg                numbers kept from rawpic
    cropped/15/disgust1_1/img021.jpg                     the face; subjects without `s`

A recording holds up to three expressions, macro and micro in turn; `clips` counts both. Participants are numbers, films
are codes, and the text behind a code on disk is noise.

`quirks` adds:

- s15: an *others* macro-expression whose offset is 0 in the table, and a recording without a label (0508);
- s16: an *others* micro-expression with `NULL` action units, and a misplaced copy of a recording of s15;
- s19, s20 ...: an *others* macro-expression with `null` action units;
- s16, s21, s24 ...: a clip that the cropped tree lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.errors import ConfigError
from mer.core.seeds import derive_seed
from mer.simulate.layouts.content import (
    MACRO_STRENGTH,
    PEOPLE,
    Repertoire,
    draw_content,
    person_seed,
    subject_labels,
)
from mer.simulate.layouts.footage import (
    Picture,
    ReaderInput,
    Recording,
    Tree,
    chosen_view,
    draw_seconds,
    event,
    lay_out,
)
from mer.simulate.layouts.sheets import Cell, as_table, write_xlsx
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan

TABLE_NAME = "CAS(ME)^2code_final.xlsx"
COLUMNS = ("participant", "video", "onset", "apex", "offset", "aus", "emotion", "type", "self_report")
FOLDERS = (15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 40)
FILMS = {
    "disgust1": "0101disgustingteeth",
    "anger1": "0401girlcrashing",
    "happy1": "0502funnyerrors",
    "disgust2": "0102eatingworms",
    "anger2": "0402beatingpregnantwoman",
    "happy2": "0503unnyfarting",
    "happy3": "0505funnyinnovations",
    "happy4": "0507climbingthewall",
}
UNLABELLED = "0508funnydunkey"
REPERTOIRE = Repertoire(
    (("positive",), ("negative",), ("surprise",)),
    {"positive": ("happiness",), "negative": ("disgust", "anger", "sadness", "fear")},
)
SELF_REPORTS = {
    "positive": ("happiness", "happyiness", "happiness"),
    "negative": ("disgust", "anger", "fear", "sadness", "pain"),
    "surprise": ("surprise",),
    "others": ("helpless", "confused", "sympathy"),
}
STRAY_FRAMES = 6


def recordings(params: SimulateParams) -> list[Recording]:
    """Return every recording, by subject and film.

    Raises:
        ConfigError: more people than the database's coding table can name.
    """
    if params.subjects > len(FOLDERS):
        expected = f"at most {len(FOLDERS)}, the participants that its table can name"
        raise ConfigError("simulate.subjects", f"{params.subjects} people in the layout casme_sq", expected)
    return [recording for k in range(params.subjects) for recording in _subject(params, k)]


def _subject(params: SimulateParams, index: int) -> list[Recording]:
    person = PEOPLE["casme_sq"] + index
    labels = [(label, k % 2 == 0, "") for k, label in enumerate(subject_labels(params, REPERTOIRE, person))]
    if params.quirks:
        quirk = "offset 0" if index == 0 else "no units"
        labels.append(("others", index != 1, quirk))
    films = list(FILMS)[index % 2 :]
    each = max(3, -(-len(labels) // len(films)))
    parts = [labels[k : k + each] for k in range(0, len(labels), each)]
    found = [_recording(params, index, film, part) for film, part in zip(films, parts, strict=False)]
    if params.quirks and index == 0:
        found.append(_without_events(params, index))
    if params.quirks and index == 1:
        found.append(_misplaced(params))
    return found


def _recording(params: SimulateParams, index: int, film: str, labels: list[tuple[str, bool, str]]) -> Recording:
    person, subject = PEOPLE["casme_sq"] + index, f"s{FOLDERS[index]}"
    seed = person_seed(params, person, film)
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    seconds = [draw_seconds(params, rng, macro) for _, macro, _ in labels]
    places, last = lay_out(params.fps, seconds, rng, total=params.seconds)
    events = []
    for turn, ((label, macro, quirk), when) in enumerate(zip(labels, places, strict=True), start=1):
        strength = MACRO_STRENGTH if macro else 1.0
        units = draw_content(params, REPERTOIRE, label, derive_seed(seed, turn), strength)
        kind = f"{'macro' if macro else 'micro'}{', ' if quirk else ''}{quirk}"
        events.append(event((subject, person, params.fps, seed), f"{film}_{turn}", label, units, when, quirk=kind))
    return Recording(subject, person, film, tuple(events), tuple(range(1, last + 1)), params.fps, seed)


def _without_events(params: SimulateParams, index: int) -> Recording:
    person = PEOPLE["casme_sq"] + index
    seed = person_seed(params, person, UNLABELLED)
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    last = lay_out(params.fps, [], rng, total=params.seconds)[1]
    return Recording(f"s{FOLDERS[index]}", person, UNLABELLED, (), tuple(range(1, last + 1)), params.fps, seed)


def _misplaced(params: SimulateParams) -> Recording:
    """Return the first frames of a recording of s15 as they lie among those of s16."""
    first = _subject(params, 0)[0]
    return Recording(
        f"s{FOLDERS[1]}", first.person, first.name, (), first.numbers[:STRAY_FRAMES], first.fps, first.seed, "misplaced"
    )


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the files of a frame: in the whole recording with `raw`, and in those of the expression it belongs to."""
    subject = recording.subject
    found = []
    if params.raw:
        owner = FOLDERS[recording.person - PEOPLE["casme_sq"]]
        text = FILMS.get(recording.name, recording.name)
        folder = f"{owner}_{text}"
        key = (subject, folder if recording.kind else text[:4])
        found.append(Picture(key, f"rawpic/{subject}/{folder}/img{number:03d}.jpg", "raw"))
    for plan in recording.events:
        if number in plan.numbers:
            name = f"{plan.clip}/img{number:03d}.jpg"
            found.append(Picture((subject, plan.clip), f"selectedpic/{subject}/{name}", "selected"))
            if not _uncropped(params, plan, recording):
                found.append(Picture((subject, plan.clip), f"cropped/{subject[1:]}/{name}", "cropped", cropped=True))
    return found


def _uncropped(params: SimulateParams, plan: ClipPlan, recording: Recording) -> bool:
    index = recording.person - PEOPLE["casme_sq"]
    return params.quirks and index % 3 == 1 and plan is recording.events[0] and recording.name == list(FILMS)[index % 2]


def listing(params: SimulateParams, view: str = "selected") -> dict[tuple[str, str], list[str]]:
    """Return the files of each clip of a view; what the cropped tree lacks comes from selectedpic."""
    spare = TREE.listing(params, "selected") if view == "cropped" else {}
    return {**spare, **TREE.listing(params, view)}


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the rows of the sheet without a header."""
    return [_row(plan) for plan in TREE.plan(params)]


def _row(plan: ClipPlan) -> list[Cell]:
    reports = SELF_REPORTS[plan.emotion]
    return [
        plan.subject_index - PEOPLE["casme_sq"] + 1,
        plan.clip,
        plan.onset,
        plan.apex,
        0 if "offset 0" in plan.quirk else plan.offset,
        _au_cell(plan),
        plan.emotion,
        f"{plan.quirk[:5]}-expression",
        reports[plan.seed % len(reports)],
    ]


def _au_cell(plan: ClipPlan) -> Cell:
    if "no units" in plan.quirk:
        return "NULL" if "micro" in plan.quirk else "null"
    text = ("," if plan.seed % 2 else "+").join(unit.text for unit in plan.units)
    return int(text) if text.isdigit() else text


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows under the names that the reader gives the columns."""
    return as_table(COLUMNS, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written.

    Raises:
        ConfigError: the reader's options ask for whole recordings without `raw`.
    """
    views = ("selected", "cropped", "raw") if params.raw else ("selected", "cropped")
    return ReaderInput(table(params), listing(params, chosen_view(options, views, params.layout)))


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the coding table under `root` and return its path; equal parameters give equal bytes."""
    people: list[list[Cell]] = [[n, f"s{n}", k] for k, n in enumerate(FOLDERS, start=1)]
    films: list[list[Cell]] = [[text[:4], name] for name, text in (*FILMS.items(), ("happy5", UNLABELLED))]
    sheets = {"CASFEcode_final": rows(params), "naming rule1": people, "naming rule2": films}
    return write_xlsx(Path(root) / TABLE_NAME, sheets)


TREE = Tree(recordings, pictures)
plan, subjects, write_subject = TREE.plan, TREE.subjects, TREE.write_subject
