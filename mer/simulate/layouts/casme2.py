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

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.expression import balanced_labels
from mer.simulate.layouts.footage import ReaderInput, chosen_view
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, clip_seed, draw_clip_units, draw_interval

TABLE_NAME = "CASME2-coding-20190701.xlsx"
SELECTED = "CASME2_RAW_selected/CASME2_RAW_selected"
RAW = "CASME2_RAW/CASME2-RAW"
COLUMNS = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion")
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


def subjects(params: SimulateParams) -> list[str]:
    """Return the subjects' folder names, `sub01` and on."""
    return [f"sub{k + 1:02d}" for k in range(params.subjects)]


def plan(params: SimulateParams) -> tuple[ClipPlan, ...]:
    """Return every clip by subject and name; see `mer.simulate.plan.plan`."""
    return tuple(clip for k in range(params.subjects) for clip in _plan_subject(params, k))


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the coding table's rows as text cells, keyed by `COLUMNS`, in sheet order."""
    return [{c: str(clip.cells[c]) for c in COLUMNS} for clip in plan(params)]


def listing(params: SimulateParams) -> dict[tuple[str, str], list[str]]:
    """Return the frame file names in each (subject, clip) folder of the selected view, by number."""
    return {(c.subject, c.clip): [file_name(n) for n in c.numbers] for c in plan(params)}


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written; `ConfigError` for images not written."""
    trees = {"selected": SELECTED, **({"raw": RAW} if params.raw else {})}
    view = chosen_view(options, tuple(trees), params.layout)
    files = {}
    for clip in plan(params):
        numbers = clip.numbers if view == "selected" else range(1, clip.recorded + 1)
        names = sorted(file_name(number) for number in numbers)
        files[clip.subject, clip.clip] = [f"{trees[view]}/{clip.sample_id}/{name}" for name in names]
    return ReaderInput(table(params), files)


def file_name(number: int) -> str:
    """Return the name of frame `number`: unpadded, as in the real database."""
    return f"img{number}.jpg"


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the coding table under `root` and return its path; equal parameters give equal bytes."""
    from mer.simulate.layouts.workbook import write_workbook

    rows = [[None if c is None else clip.cells[c] for c in HEADER] for clip in plan(params)]
    blanks = [[" " if k == 0 else None for k in range(len(HEADER))]] * BLANK_ROWS
    path = Path(root) / TABLE_NAME
    write_workbook(path, {"Sheet1": [list(HEADER), *rows, *blanks], "Sheet2": [], "Sheet3": []})
    return path


def write_subject(params: SimulateParams, subject: str, root: str | Path, truth_path: str | Path) -> None:
    """Render every clip of one subject under `root` and its ground truth at `truth_path`.

    Raises:
        DatasetError: `subject` is not one of `subjects(params)`.
        StorageError: the disk is full or not writable.
    """
    from mer.simulate.recording import write_recordings

    folders = {"selected": Path(root) / SELECTED, **({"raw": Path(root) / RAW} if params.raw else {})}
    write_recordings(params, subject, folders, file_name, truth_path)


def _plan_subject(params: SimulateParams, index: int) -> list[ClipPlan]:
    seed = derive_seed(params.seed, "simulate", index, "labels")
    labels = balanced_labels(params.clips, np.random.default_rng(seed))
    clips = [_plan_clip(params, index, _clip_name(params, index, k), label, str(k)) for k, label in enumerate(labels)]
    return sorted(clips + (_quirk(params, index) if params.quirks else []), key=lambda c: c.clip)


def _clip_name(params: SimulateParams, index: int, k: int) -> str:
    if k == 0:
        return "EP02_01f"
    rng = np.random.default_rng(clip_seed(params, index, f"name{k}"))
    take = 3 * (k // len(FILMS)) + int(rng.integers(1, 4))
    return f"EP{FILMS[k % len(FILMS)]:02d}_{take:02d}{'f' if rng.random() < 0.6 else ''}"


def _quirk(params: SimulateParams, index: int) -> list[ClipPlan]:
    if index == 0:
        return [_plan_clip(params, index, "EP06_02_01", "others", "others", quirk="odd name, others")]
    if index == 1:
        return [_plan_clip(params, index, "EP08_1", "disgust", "no apex", 0.5, quirk="apex /")]
    if index == 2:
        return [_plan_clip(params, index, "EP14_09", "sadness", "sadness", quirk="sadness")]
    if index == 3:
        return [
            _plan_clip(params, index, "EP03_08", "others", "tail", missing_tail=1 / 3, quirk="missing tail, others")
        ]
    if index % 4 == 0:
        return [_plan_clip(params, index, "EP11_09f", "others", "others", quirk="others")]
    return []


def _plan_clip(
    params: SimulateParams,
    index: int,
    name: str,
    emotion: str,
    key: str,
    apex_fraction: float | None = None,
    missing_tail: float = 0.0,
    quirk: str = "",
) -> ClipPlan:
    seed = clip_seed(params, index, key)
    units = draw_clip_units(params, emotion, seed)
    interval = draw_interval(params, np.random.default_rng(derive_seed(seed, "interval")), apex_fraction)
    last = interval.offset - round(missing_tail * (interval.offset - interval.onset))
    aus = "+".join(u.text for u in units)
    cells: dict[str, str | int | None] = {
        "Subject": f"{index + 1:02d}" if index % 2 == 0 else index + 1,
        "Filename": name,
        "OnsetFrame": interval.onset,
        "ApexFrame": "/" if quirk == "apex /" else interval.apex,
        "OffsetFrame": interval.offset,
        "Action Units": int(aus) if aus.isdigit() else aus,
        "Estimated Emotion": emotion,
    }
    return ClipPlan(
        subject=f"sub{index + 1:02d}",
        subject_index=index,
        clip=name,
        emotion=emotion,
        units=units,
        onset=interval.onset,
        apex=interval.apex,
        offset=interval.offset,
        numbers=tuple(range(interval.onset, last + 1)),
        recorded=interval.recorded,
        fps=params.fps,
        seed=seed,
        cells=cells,
        quirk=quirk,
    )
