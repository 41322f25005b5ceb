"""Simulated recordings laid out as SMIC is delivered: the cameras HS, VIS and NIR (specs/datasets.md §3).

    SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp      absolute counter of the recording
    SMIC_all_raw/VIS|NIR/s1/micro/positive/s1_po_01/12345.bmp
    SMIC_all_raw/HS/s1/non_micro/negative/s1_ne_01/image559100.bmp  no expression, under the name of another clip

There is no table: folders and names are the labels, the first and last file are onset and offset. NIR images have three
equal channels. The three cameras film the same people; where `shortest` and `longest` agree, also the same expressions
at their own frame rates. `quirks` adds the `non_micro` folder, a clip of neutral frames, to every subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.errors import ConfigError
from mer.core.seeds import derive_seed
from mer.simulate.layouts.content import PEOPLE, Repertoire, draw_content, person_seed, subject_labels
from mer.simulate.layouts.footage import Picture, ReaderInput, Recording, Sensor, Tree, chosen_view, event, moved
from mer.simulate.params import SimulateParams
from mer.simulate.plan import draw_interval

REPERTOIRE = Repertoire(
    (("positive",), ("negative",), ("surprise",)),
    {"positive": ("happiness",), "negative": ("disgust", "anger", "sadness", "fear")},
)
CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
REST_SECONDS = 0.12
# Where a recording's counter may start, by whether it is the high-speed camera's.
COUNTERS = {False: (10_000, 90_000), True: (95_000, 960_000)}


def camera(params: SimulateParams) -> str:
    """Return `hs`, `vis` or `nir`: the last part of the layout's name."""
    return params.layout.rpartition("_")[2]


def clip_labels(params: SimulateParams, index: int) -> list[tuple[str, str, int]]:
    """Return (canonical clip name, label, seed) of a subject's clips; all cameras and SMIC-E show the same ones."""
    person = PEOPLE["smic"] + index
    counts = dict.fromkeys(CODES, 0)
    found = []
    for k, label in enumerate(subject_labels(params, REPERTOIRE, person)):
        counts[label] += 1
        found.append((f"s{index + 1:02d}_{CODES[label]}_{counts[label]:02d}", label, person_seed(params, person, k)))
    return sorted(found)


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per clip, by subject and name, and those without an expression."""
    return [recording for k in range(params.subjects) for recording in _subject(params, k)]


def _subject(params: SimulateParams, index: int) -> list[Recording]:
    person, subject = PEOPLE["smic"] + index, f"s{index + 1:02d}"
    found = []
    for name, label, seed in clip_labels(params, index):
        rng = np.random.default_rng(derive_seed(seed, "interval"))
        when = draw_interval(params, rng, 0.5)
        when = moved(when, int(rng.integers(*COUNTERS[camera(params) == "hs"])))
        units = draw_content(params, REPERTOIRE, label, seed)
        plan = event((subject, person, params.fps, seed), name, label, units, when)
        found.append(Recording(subject, person, name, (plan,), plan.numbers, params.fps, seed, "micro"))
    if params.quirks:
        seed = person_seed(params, person, "rest")
        first = 1000 + int(np.random.default_rng(seed).integers(1000))
        numbers = tuple(range(first, first + max(4, round(REST_SECONDS * params.fps))))
        found.append(Recording(subject, person, found[0].name, (), numbers, params.fps, seed, "non_micro"))
    return found


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame: folders without padding, as in the real database."""
    subject, code, turn = recording.name.split("_")
    label = next(name for name, short in CODES.items() if short == code)
    plain = f"s{int(subject[1:])}"
    high_speed = camera(params) == "hs"
    name = f"image{number:06d}.bmp" if high_speed else f"{number:05d}.bmp"
    folder = f"SMIC_all_raw/{camera(params).upper()}/{plain}/{recording.kind}/{label}/{plain}_{code}_{turn}"
    view = "raw" if recording.kind == "micro" else "non_micro"
    return [Picture((recording.subject, recording.name), f"{folder}/{name}", view)]


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return no row: there is no table."""
    return []


def check_camera(params: SimulateParams, options: Mapping[str, object]) -> None:
    """Raise `ConfigError` when the reader is told another camera than the layout writes."""
    modality = str(options.get("modality", "hs"))
    if modality != camera(params):
        found = f"is {modality!r}, but the layout {params.layout} writes {camera(params)!r}"
        raise ConfigError("options.modality", found, camera(params), "make both the same")


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written.

    Raises:
        ConfigError: the reader's options ask for another camera, or for cropped images.
    """
    check_camera(params, options)
    return ReaderInput([], listing(params, chosen_view(options, ("raw",), params.layout)))


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Make the folder of the images and return it: there is no table to write."""
    path = Path(root) / "SMIC_all_raw"
    path.mkdir(parents=True, exist_ok=True)
    return path


def listing(params: SimulateParams, view: str = "raw") -> dict[tuple[str, str], list[str]]:
    """Return the files of each clip, relative to the root."""
    return TREE.listing(params, view)


def _sensor(params: SimulateParams) -> Sensor:
    return "infrared" if camera(params) == "nir" else "colour"


TREE = Tree(recordings, pictures, _sensor)
plan, subjects, write_subject = TREE.plan, TREE.subjects, TREE.write_subject
