"""Simulated recordings as a researcher keeps clips of their own: a folder and a table (docs/datasets.md, table).

    clips.xlsx                            Clip, Subject, Onset, Apex, Offset, Emotion, Action Units, FPS
    recordings/p01_visit1.mp4             layout `table`: frames count from 0; 25 and 30 per second in turn
    frames/p01/visit1/face_0001_left.png  layout `table_images`: `*` of the table's pattern counts from 1

A recording holds up to two expressions, and a row is one of them. The videos lack their extension in every other row.

With `quirks`, a row of the first person names a video that is not on disk, and one spells the person `P1` instead of
`P01`; the second person has a row with a word of the researcher's own, *smirk*.
"""

from __future__ import annotations

from collections.abc import Sequence

from mer.core.seeds import derive_seed
from mer.simulate.content import Repertoire, draw_content, joined, subject_labels
from mer.simulate.contract import SLOW, Camera, Layout
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, Session, clip_seed, draw_seconds, lay_out
from mer.simulate.sheets import Cell, Table, number_cell
from mer.simulate.tree import Picture, Tree

TABLE_NAME = "clips.xlsx"
IMAGES = "table_images"
RATES = (25.0, 30.0)
REPERTOIRE = Repertoire(
    (("happiness",), ("disgust", "anger", "sadness"), ("surprise",)), {"smirk": ("contempt", "happiness")}
)
EACH = 2
ABSENT = "p01_visit99.mp4"
FIRST_FACE = 1440


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return the recordings of a person, up to two expressions in each."""
    labels = subject_labels(params, REPERTOIRE, FIRST_FACE + index)
    if params.quirks and index == 1:
        labels.append("smirk")
    parts = [labels[k : k + EACH] for k in range(0, len(labels), EACH)]
    return [_recording(params, index, turn, part) for turn, part in enumerate(parts, start=1)]


def _recording(params: SimulateParams, index: int, turn: int, labels: Sequence[str]) -> Recording:
    face, images = FIRST_FACE + index, params.layout == IMAGES
    fps = params.fps if images else RATES[turn % 2]
    session = Session(f"P{index + 1:02d}", face, fps, clip_seed(params, face, turn))
    rng = session.interval_rng()
    name = f"visit{turn}" if images else f"p{index + 1:02d}_visit{turn}"
    first = 1 if images else 0
    places, last = lay_out(fps, [draw_seconds(params, rng) for _ in labels], rng, first, total=params.seconds)
    events = []
    for k, (label, when) in enumerate(zip(labels, places, strict=True)):
        units = draw_content(params, REPERTOIRE, label, derive_seed(session.seed, k))
        clip = f"{name}_{when.onset}" if len(labels) > 1 else name
        events.append(session.event(clip, label, units, when))
    return session.recording(name, events, range(first, last + 1))


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the video, or the image, of a frame."""
    if params.layout == IMAGES:
        path = f"frames/{recording.subject.casefold()}/{recording.name}/face_{number:04d}_left.png"
        return [Picture(("", path.rpartition("/")[0]), path)]
    path = f"recordings/{recording.name}.mp4"
    return [Picture(("", path), path)]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the table, a row for each expression."""
    rows = [_row(params, recording, plan) for recording in recordings for plan in recording.events]
    if params.quirks:
        rows[0]["Subject"] = "P1"
        rows.append({**rows[0], "Clip": ABSENT})
    return [Table.of(TABLE_NAME, rows, "coding")]


def _row(params: SimulateParams, recording: Recording, plan: ClipPlan) -> dict[str, Cell]:
    if params.layout == IMAGES:
        clip = f"{recording.subject.casefold()}/{recording.name}/face_*_left.png"
    else:
        clip = recording.name + (".mp4" if plan.onset % 2 else "")
    return {
        "Clip": clip,
        "Subject": recording.subject,
        "Onset": plan.onset,
        "Apex": plan.apex,
        "Offset": plan.offset,
        "Emotion": plan.emotion,
        "Action Units": number_cell(joined(plan.units)),
        "FPS": recording.fps,
    }


LAYOUT = Layout(
    reader="table",
    cameras={"table": Camera({"fps": 30.0, **SLOW}), IMAGES: Camera({"fps": 60.0})},
    people=people,
    tree=Tree(pictures),
    tables=tables,
)
