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

from collections.abc import Sequence

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.content import Repertoire, draw_content, subject_labels
from mer.simulate.contract import SLOW, Camera, Layout
from mer.simulate.params import SimulateParams
from mer.simulate.plan import Recording, Session, clip_seed, draw_seconds, events_of, lay_out
from mer.simulate.sheets import Row, Table
from mer.simulate.tree import Picture, Tree

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
FIRST_FACE = 960


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per clip."""
    labels = subject_labels(params, REPERTOIRE, FIRST_FACE + index)
    return [_recording(params, index, turn, label) for turn, label in enumerate(labels, start=1)]


def _recording(params: SimulateParams, index: int, turn: int, label: str) -> Recording:
    face = FIRST_FACE + index
    session = Session(f"p{index + 1:02d}", face, RATES[turn % 2], clip_seed(params, face, turn))
    name = f"trial_{KINDS[label][1]}_{index * params.clips + turn:03d}"
    rng = session.interval_rng()
    places, last = lay_out(session.fps, [draw_seconds(params, rng)], rng, 0)
    units = draw_content(params, REPERTOIRE, label, session.seed)
    return session.recording(name, [session.event(name, label, units, places[0], key=name)], range(last + 1))


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the video that a frame belongs to."""
    folder = KINDS[recording.events[0].emotion][0]
    return [Picture(("", recording.name), f"{TOP}/Clips/{folder}/{recording.name}.mp4")]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the gestures, truthful clips before deceptive ones, and who speaks."""
    plans = events_of(recordings)
    by_label = sorted(plans, key=lambda plan: (plan.emotion != "truthful", plan.clip))
    absent = [(ABSENT, "truthful", params.seed)] if params.quirks else []
    rows = [_row(*clip) for clip in (*absent, *((plan.clip, plan.emotion, plan.seed) for plan in by_label))]
    speakers = [[plan.clip, plan.subject] for plan in plans] + ([[ABSENT, "p01"]] if params.quirks else [])
    return [
        Table(f"{TOP}/Annotation/{TABLE_NAME}", HEADER, rows),
        Table("subjects.csv", PEOPLE_HEADER, speakers, argument="people"),
    ]


def _row(name: str, label: str, seed: int) -> Row:
    gestures = np.random.default_rng(derive_seed(seed, "gestures")).integers(0, 2, len(GESTURES))
    return [f"{name}.mp4", *(int(g) for g in gestures), label]


LAYOUT = Layout("rld", {"rld": Camera({"fps": 25.0, **SLOW})}, people, Tree(pictures), tables)
