"""Simulated recordings laid out as SMIC is delivered: the cameras HS, VIS and NIR (specs/datasets.md §3).

    SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp      absolute counter of the recording
    SMIC_all_raw/VIS|NIR/s1/micro/positive/s1_po_01/12345.bmp
    SMIC_all_raw/HS/s1/non_micro/negative/s1_ne_01/image559100.bmp  no expression, under the name of another clip

There is no table: folders and names are the labels, the first and last file are onset and offset. NIR images have three
equal channels. The three cameras film the same people; where `shortest` and `longest` agree, also the same expressions
at their own frame rates. `quirks` adds the `non_micro` folder, a clip of neutral frames, to every subject.
"""

from __future__ import annotations

import numpy as np

from mer.simulate.content import Repertoire, draw_content, subject_labels
from mer.simulate.contract import SLOW, Camera, Layout
from mer.simulate.params import SimulateParams
from mer.simulate.plan import Recording, Session, clip_seed, draw_interval
from mer.simulate.tree import Picture, Tree

REPERTOIRE = Repertoire(
    (("positive",), ("negative",), ("surprise",)),
    {"positive": ("happiness",), "negative": ("disgust", "anger", "sadness", "fear")},
)
CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
REST_SECONDS = 0.12
# Where a recording's counter may start, by whether it is the high-speed camera's.
COUNTERS = {False: (10_000, 90_000), True: (95_000, 960_000)}
FIRST_FACE = 240


def cameras(prefix: str) -> dict[str, Camera]:
    """Return the three cameras under the names `<prefix>_hs`, `<prefix>_vis` and `<prefix>_nir`."""
    slow = {"fps": 25.0, **SLOW}
    return {
        f"{prefix}_hs": Camera({"fps": 100.0}, options={"modality": "hs"}),
        f"{prefix}_vis": Camera(slow, options={"modality": "vis"}),
        f"{prefix}_nir": Camera(slow, "infrared", {"modality": "nir"}),
    }


def camera(params: SimulateParams) -> str:
    """Return `hs`, `vis` or `nir`: the last part of the layout's name."""
    return params.layout.rpartition("_")[2]


def clip_labels(params: SimulateParams, index: int) -> list[tuple[str, str, int]]:
    """Return (canonical clip name, label, seed) of a subject's clips; all cameras and SMIC-E show the same ones."""
    face = FIRST_FACE + index
    counts = dict.fromkeys(CODES, 0)
    clips = []
    for k, label in enumerate(subject_labels(params, REPERTOIRE, face)):
        counts[label] += 1
        clips.append((f"s{index + 1:02d}_{CODES[label]}_{counts[label]:02d}", label, clip_seed(params, face, k)))
    return sorted(clips)


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per clip, by name, and one without an expression."""
    face, subject = FIRST_FACE + index, f"s{index + 1:02d}"
    clips = []
    for name, label, seed in clip_labels(params, index):
        session = Session(subject, face, params.fps, seed)
        rng = session.interval_rng()
        when = draw_interval(params, rng, 0.5)
        when = when.moved(int(rng.integers(*COUNTERS[camera(params) == "hs"])))
        units = draw_content(params, REPERTOIRE, label, seed)
        clips.append(session.recording(name, [session.event(name, label, units, when)], kind="micro"))
    if params.quirks:
        session = Session(subject, face, params.fps, clip_seed(params, face, "rest"))
        first = 1000 + int(np.random.default_rng(session.seed).integers(1000))
        numbers = range(first, first + max(4, round(REST_SECONDS * params.fps)))
        clips.append(session.recording(clips[0].name, [], numbers, "non_micro"))
    return clips


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


LAYOUT = Layout("smic", cameras("smic"), people, Tree(pictures), views=("raw",))
