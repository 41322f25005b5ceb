"""Simulated recordings laid out as SMIC-E is delivered: the cameras HS, VIS and NIR (specs/datasets.md §3).

    SMIC-E_raw image/HS_long/SMIC-HS-E_annotation.xlsx
    SMIC-E_raw image/HS_long/SMIC-HS-E/s01/s1_ne_01/image559740.jpg
    SMIC-E_raw image/VIS_long/SMIC-VIS-E/VIS/s01/s1_ne_01/image 12.jpg      1-based; the table counts from FirstF
    SMIC-E_raw image/NIR_long/SMIC-NIR-E/NIR/s01/s1_ne_01/12.jpg            three equal channels

People, clip names and labels are those of the layouts `smic_*`. The table has columns without a name, headers ending in
` NIR` for that camera, fewer columns for VIS, and rows of text at its end.

With `quirks`, the second of two clips of one label is folded into the first, once a person, as `Onset2F`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.layouts.content import PEOPLE, draw_content, person_seed
from mer.simulate.layouts.footage import (
    Picture,
    ReaderInput,
    Recording,
    Sensor,
    Tree,
    draw_seconds,
    event,
    lay_out,
)
from mer.simulate.layouts.sheets import Cell, as_table, write_xlsx
from mer.simulate.layouts.smic import REPERTOIRE, camera, check_camera, clip_labels
from mer.simulate.params import SimulateParams

FRAMES = ("OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F")
AFTER = ("FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL")
VIS_FRAMES, VIS_AFTER = FRAMES[:4], ("FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalVL")


def recordings(params: SimulateParams) -> list[Recording]:
    """Return one recording per long clip, by subject and name."""
    found = []
    for k in range(params.subjects):
        groups = _folded([(name, label) for name, label, _ in clip_labels(params, k)], params.quirks)
        found += [_recording(params, k, group) for group in groups]
    return found


def _folded(clips: list[tuple[str, str]], folding: bool) -> list[list[tuple[str, str]]]:
    """Return the clips one by one, but the first two neighbours of one label together."""
    pairs = [k for k in range(len(clips) - 1) if clips[k][1] == clips[k + 1][1]] if folding else []
    if not pairs:
        return [[clip] for clip in clips]
    k = pairs[0]
    return [*([clip] for clip in clips[:k]), clips[k : k + 2], *([clip] for clip in clips[k + 2 :])]


def _recording(params: SimulateParams, index: int, group: list[tuple[str, str]]) -> Recording:
    person, subject, name = PEOPLE["smic"] + index, f"s{index + 1:02d}", group[0][0]
    seed = person_seed(params, person, f"long {name}")
    rng = np.random.default_rng(derive_seed(seed, "interval"))
    first = int(rng.integers(95_000, 960_000)) if camera(params) == "hs" else 1
    seconds = [draw_seconds(params, rng) for _ in group]
    places, last = lay_out(params.fps, seconds, rng, first, centred=[True] * len(group))
    events = []
    for turn, ((_, label), when) in enumerate(zip(group, places, strict=True), start=1):
        units = draw_content(params, REPERTOIRE, label, derive_seed(seed, turn))
        clip = name if turn == 1 else f"{name}-{turn}"
        events.append(event((subject, person, params.fps, seed), clip, label, units, when))
    return Recording(subject, person, name, tuple(events), tuple(range(first, last + 1)), params.fps, seed)


def _plain(name: str) -> str:
    subject, code, turn = name.split("_")
    return f"s{int(subject[1:])}_{code}_{turn}"


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the one file of a frame."""
    which = camera(params)
    top = f"SMIC-E_raw image/{which.upper()}_long/SMIC-{which.upper()}-E"
    top = top if which == "hs" else f"{top}/{which.upper()}"
    name = {"hs": f"image{number:06d}.jpg", "vis": f"image {number}.jpg", "nir": f"{number}.jpg"}[which]
    path = f"{top}/{recording.subject}/{_plain(recording.name)}/{name}"
    return [Picture((recording.subject, recording.name), path)]


def header(params: SimulateParams) -> list[str | None]:
    """Return the header cells; None is a column without a name."""
    vis, nir = camera(params) == "vis", camera(params) == "nir"
    columns = [*(VIS_FRAMES if vis else FRAMES), None, *(VIS_AFTER if vis else AFTER)]
    named = [f"{name} NIR" if name and nir else name for name in columns]
    return ["Subject", "Filename", None, *named, "Emotion", None, None]


def rows(params: SimulateParams) -> list[list[Cell]]:
    """Return the cells below the header; the table's numbers differ from the files' unless the camera is HS."""
    found = []
    turns = 2 if camera(params) == "vis" else 3
    for k, recording in enumerate(recordings(params)):
        shift = 0 if camera(params) == "hs" else 1000 + 17 * k
        frames: list[Cell] = [n + shift for plan in recording.events for n in (plan.onset, plan.offset)]
        lengths: list[Cell] = [plan.offset - plan.onset + 1 for plan in recording.events]
        first, last = recording.numbers[0] + shift, recording.numbers[-1] + shift
        frames += [0] * (2 * turns - len(frames))
        lengths += [0] * (turns - len(lengths))
        start: Cell = str(first) if k % 3 == 2 else first
        label = recording.events[0].emotion
        row = [int(recording.subject[1:]), _plain(recording.name), None, *frames, None, start, last, *lengths]
        found.append([*row, last - first + 1, label, None, None])
    return found


def table(params: SimulateParams) -> list[dict[str, str]]:
    """Return the rows as the reader sees them."""
    return as_table(header(params), rows(params))


def reader_input(params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
    """Return what the reader will find once the database is written.

    Raises:
        ConfigError: the reader's options ask for another camera.
    """
    check_camera(params, options)
    return ReaderInput(table(params), listing(params))


def write_tables(params: SimulateParams, root: str | Path) -> Path:
    """Write the annotation table under `root` and return its path; equal parameters give equal bytes."""
    which = camera(params).upper()
    text = [[], [None, "onset and offset are counted as FirstF is"], [None, "simulated recordings"]]
    path = Path(root) / "SMIC-E_raw image" / f"{which}_long" / f"SMIC-{which}-E_annotation.xlsx"
    return write_xlsx(path, {"Sheet1": [header(params), *rows(params), *text]})


def _sensor(params: SimulateParams) -> Sensor:
    return "infrared" if camera(params) == "nir" else "colour"


TREE = Tree(recordings, pictures, _sensor)
plan, subjects, listing, write_subject = TREE.plan, TREE.subjects, TREE.listing, TREE.write_subject
