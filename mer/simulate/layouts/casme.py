"""Simulated recordings laid out as CASME (the first) is delivered (specs/datasets.md §11).

    Coding Final.xlsx                           (the owner's is .xls)
    Cropped/sub01/EP02_5/reg_EP02_5-12.jpg      the face; onset..offset, numbers of the recording

The table has two apex columns, of which the first counts; the second is 0 unless the expression has two peaks.
`quirks` adds a clip labelled *tense*, outside the 3-class task, to every person.
"""

from __future__ import annotations

from collections.abc import Sequence

from mer.simulate.content import Repertoire, draw_content, joined, subject_labels
from mer.simulate.contract import Camera, Layout
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, Session, clip_seed, draw_interval, events_of
from mer.simulate.sheets import Row, Table, number_cell
from mer.simulate.tree import Picture, Tree

TABLE_NAME = "Coding Final.xlsx"
HEADER = ("Subject", "Filename", "OnsetF", "ApexF1", "ApexF2", "OffsetF", "AUs", "Emotion")
REPERTOIRE = Repertoire(
    (("happiness",), ("disgust", "disgust", "repression", "sadness", "contempt", "fear"), ("surprise",)),
    {"tense": ("others",)},
)
FIRST_FACE = 720
FILMS = 17


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per clip, by name."""
    labels = subject_labels(params, REPERTOIRE, FIRST_FACE + index) + (["tense"] if params.quirks else [])
    clips = [_recording(params, index, turn, label) for turn, label in enumerate(labels)]
    return sorted(clips, key=lambda clip: clip.name)


def _recording(params: SimulateParams, index: int, turn: int, label: str) -> Recording:
    face = FIRST_FACE + index
    session = Session(f"sub{index + 1:02d}", face, params.fps, clip_seed(params, face, turn))
    when = draw_interval(params, session.interval_rng())
    name = f"EP{1 + turn % FILMS:02d}_{1 + turn // FILMS + index % 5}"
    units = draw_content(params, REPERTOIRE, label, session.seed)
    return session.recording(name, [session.event(name, label, units, when)])


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    path = f"Cropped/{recording.subject}/{recording.name}/reg_{recording.name}-{number}.jpg"
    return [Picture((recording.subject, recording.name), path, cropped=True)]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the coding table."""
    return [Table(TABLE_NAME, HEADER, [_row(plan) for plan in events_of(recordings)])]


def _row(plan: ClipPlan) -> Row:
    second = plan.apex + 2 if plan.seed % 5 == 0 else 0
    subject, aus = plan.face - FIRST_FACE + 1, number_cell(joined(plan.units))
    return [subject, plan.clip, plan.onset, plan.apex, second, plan.offset, aus, plan.emotion]


LAYOUT = Layout("casme", {"casme": Camera({"fps": 60.0})}, people, Tree(pictures, window=0.62), tables)
