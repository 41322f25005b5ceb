"""Simulated recordings laid out as the real-life deception database is delivered (specs/datasets.md §8).

    Real-life_Deception_Detection_2016/Clips/Deceptive/trial_lie_001.mp4      25 and 29.97 frames per second in turn
    Real-life_Deception_Detection_2016/Clips/Truthful/trial_truth_002.mp4
    Real-life_Deception_Detection_2016/Annotation/All_Gestures_Deceptive and Truthful.csv      truth before lie
    subjects.csv                                                              who speaks: the user's own file

Labels belong to whole clips; there is no onset, apex or action unit. The face of a deceptive clip shows fear, contempt
or disgust once, that of a truthful one happiness or surprise, as far as `label_signal` says.

With `quirks`, the csv of gestures names a clip of the first person that is not on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.layouts.content import PEOPLE, Repertoire, draw_content, person_seed, subject_labels
from mer.simulate.layouts.footage import Picture, ReaderInput, Recording, Tree, draw_seconds, event, lay_out
from mer.simulate.layouts.sheets import Cell, as_table, write_csv
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan

TOP = "Real-life_Deception_Detection_2016"
TABLE_NAME = "All_Gestures_Deceptive and Truthful.csv"
GESTURES = ("OtherGestures", "Smile", "Laugh", "Scowl", "otherEyebrowMovement", "Frown", "Raise")
HEADER = ("id", *GESTURES, "class")
PEOPLE_HEADER = ("video", "subject")
REPERTOIRE = Repertoire(
    (("truthful",), ("deceptive",)),
    {"truthful": ("happiness", "surprise"), "deceptive": ("fear", "contempt", "disgust")},
)
KINDS = {"truthful": ("Truthful", "truth"), "deceptive": ("Deceptive", "lie")}
RATES = (25.0, 30000 / 1001)
ABSENT = "trial_truth_999"


@dataclass(frozen=True)
class TrialPlan(ClipPlan):
    """A clip whose name alone identifies it."""

    @property
    def sample_id(self) -> str:
        """The clip's name, the key of the clip in every container."""
        return self.clip


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per clip, by subject."""
    found = []
    for k in range(params.subjects):
        labels = subject_labels(params, REPERTOIRE, PEOPLE["rld"] + k)
        found += [_recording(params, k, turn, label) for turn, label in enumerate(labels, start=1)]
    return found


def _recording(params: SimulateParams, index: int, turn: int, label: str) -> Recording:
    person, subject = PEOPLE["rld"] + index, f"p{index + 1:02d}"
    name = f"trial_{KINDS[label][1]}_{index * params.clips + turn:03d}"
    seed, fps = person_seed(params, person, turn), RATES[turn % 2]
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    places, last = lay_out(fps, [draw_seconds(params, rng)], rng, 0)
    units = draw_content(params, REPERTOIRE, label, seed)
    plan = event((subject, person, fps, seed), name, label, units, places[0])
    trial = TrialPlan(**{field: getattr(plan, field) for field in plan.__dataclass_fields__})
    return Recording(subject, person, name, (trial,), tuple(range(last + 1)), fps, seed)


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the video that a frame belongs to."""
    folder = KINDS[recording.events[0].emotion][0]
    return [Picture(("", recording.name), f"{TOP}/Clips/{folder}/{recording.name}.mp4")]


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below `HEADER`: truthful clips, then deceptive ones."""
    clips = sorted(TREE.plan(params), key=lambda plan: (plan.emotion != "truthful", plan.clip))
    found = [_row(plan.clip, plan.emotion, plan.seed) for plan in clips]
    return [_row(ABSENT, "truthful", params.seed), *found] if params.quirks else found


def _row(name: str, label: str, seed: int) -> list[Cell]:
    gestures = np.random.default_rng(derive_seed(seed, "gestures")).integers(0, 2, len(GESTURES))
    return [f"{name}.mp4", *(int(g) for g in gestures), label]


def people(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below `PEOPLE_HEADER`."""
    found: list[list[Cell]] = [[plan.clip, plan.subject] for plan in TREE.plan(params)]
    return [*found, [ABSENT, "p01"]] if params.quirks else found


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(HEADER, rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written."""
    return ReaderInput(table(params), listing(params), {"people": as_table(PEOPLE_HEADER, people(params))})


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write both tables under `root` and return the path of the gestures; equal parameters give equal bytes."""
    write_csv(Path(root) / "subjects.csv", [PEOPLE_HEADER, *people(params)])
    return write_csv(Path(root) / TOP / "Annotation" / TABLE_NAME, [HEADER, *rows(params)])


TREE = Tree(recordings, pictures)
plan, subjects, listing, write_subject = TREE.plan, TREE.subjects, TREE.listing, TREE.write_subject
