"""Simulated recordings laid out as CASME II is delivered (specs/datasets.md §1).

    CASME2-coding-20190701.xlsx
    CASME2_RAW_selected/CASME2_RAW_selected/sub01/EP02_01f/img46.jpg    onset..offset, numbers kept from RAW
    CASME2_RAW/CASME2-RAW/sub01/EP02_01f/img1.jpg                       whole recording, only with `raw`

The table has the real one's form: two blank header cells, `Subject` as text or number, action units as a number
when single, empty `Sheet2` and `Sheet3`, rows of blank cells at the end. Clip names repeat across subjects.

`quirks` adds one row, on top of the 3-class ones, to each of these subjects:

- sub01, `EP06_02_01`: *others* (outside the 3-class task), a name with two indices;
- sub02, `EP08_1`: *disgust* whose apex cell is `/`; the true apex is the exact midpoint of onset and offset, so the
  row is kept under the midpoint policy and dropped under the MEGC2019 one;
- sub03, `EP14_09`: *sadness*, which the MEGC2019 view of CASME II leaves out;
- sub04, `EP03_08`: *others*, the last third of its frames missing on disk;
- sub05, sub09, sub13 ...: `EP11_09f`, *others* (outside the 3-class task).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.content import joined
from mer.simulate.contract import Camera, Layout
from mer.simulate.expression import balanced_labels, draw_units
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, Session, clip_seed, draw_interval, events_of
from mer.simulate.sheets import Row, Table, number_cell
from mer.simulate.tree import Picture, Tree

TABLE_NAME = "CASME2-coding-20190701.xlsx"
SELECTED = "CASME2_RAW_selected/CASME2_RAW_selected"
RAW = "CASME2_RAW/CASME2-RAW"
HEADER = (
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
)
BLANK_ROWS = 3
# Films that none of the real database's errata and exclusions refer to.
FILMS = (2, 3, 4, 5, 6, 8, 11, 14)
# Subject -> key of the seed, name, emotion and quirk of its added row.
QUIRKS = {
    0: ("others", "EP06_02_01", "others", "odd name, others"),
    1: ("no apex", "EP08_1", "disgust", "apex /"),
    2: ("sadness", "EP14_09", "sadness", "sadness"),
    3: ("tail", "EP03_08", "others", "missing tail, others"),
}
MISSING_TAIL = 1 / 3


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per clip, by name."""
    seed = derive_seed(params.seed, "simulate", index, "labels")
    labels = balanced_labels(params.clips, np.random.default_rng(seed))
    clips = [_recording(params, index, str(k), _clip_name(params, index, k), label) for k, label in enumerate(labels)]
    if params.quirks and index in QUIRKS:
        clips.append(_recording(params, index, *QUIRKS[index]))
    elif params.quirks and index % 4 == 0:
        clips.append(_recording(params, index, "others", "EP11_09f", "others", "others"))
    return sorted(clips, key=lambda clip: clip.name)


def _clip_name(params: SimulateParams, index: int, k: int) -> str:
    if k == 0:
        return "EP02_01f"
    rng = np.random.default_rng(clip_seed(params, index, f"name{k}"))
    take = 3 * (k // len(FILMS)) + int(rng.integers(1, 4))
    return f"EP{FILMS[k % len(FILMS)]:02d}_{take:02d}{'f' if rng.random() < 0.6 else ''}"


def _recording(params: SimulateParams, index: int, key: str, name: str, emotion: str, quirk: str = "") -> Recording:
    session = Session(f"sub{index + 1:02d}", index, params.fps, clip_seed(params, index, key))
    rng = np.random.default_rng(derive_seed(session.seed, "units"))
    units = draw_units(emotion, params.label_signal, params.intensity, rng)
    when = draw_interval(params, session.interval_rng(), 0.5 if quirk == "apex /" else None)
    missing = MISSING_TAIL if "missing tail" in quirk else 0.0
    last = when.offset - round(missing * (when.offset - when.onset))
    plan = session.event(name, emotion, units, when, range(when.onset, last + 1), quirk)
    return session.recording(name, [plan], range(1, when.recorded + 1) if params.raw else ())


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the files of a frame: among the selected ones, and in the whole recording with `raw`."""
    (plan,) = recording.events
    trees = {"selected": SELECTED} if number in plan.numbers else {}
    if params.raw:
        trees["raw"] = RAW
    key, name = (plan.subject, plan.clip), f"{plan.sample_id}/img{number}.jpg"
    return [Picture(key, f"{folder}/{name}", view) for view, folder in trees.items()]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the coding table."""
    rows = [_row(plan) for plan in events_of(recordings)]
    blanks = [[" ", *[None] * (len(HEADER) - 1)]] * BLANK_ROWS
    return [Table(TABLE_NAME, HEADER, rows, below=blanks, beside={"Sheet2": [], "Sheet3": []})]


def _row(plan: ClipPlan) -> Row:
    number = plan.face + 1
    subject = f"{number:02d}" if number % 2 else number
    when = [plan.onset, "/" if plan.quirk == "apex /" else plan.apex, plan.offset]
    return [subject, plan.clip, None, *when, None, number_cell(joined(plan.units)), plan.emotion]


# The owner's camera is the one of `SimulateParams`.
LAYOUT = Layout(
    reader="casme2",
    cameras={"casme2": Camera()},
    people=people,
    tree=Tree(pictures, whole_truth=True),
    tables=tables,
    views=("selected", "raw"),
)
