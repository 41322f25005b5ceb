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

from collections.abc import Sequence

from mer.core.seeds import derive_seed
from mer.simulate.content import draw_content
from mer.simulate.contract import Layout
from mer.simulate.layouts.smic import FIRST_FACE, REPERTOIRE, camera, cameras, clip_labels
from mer.simulate.params import SimulateParams
from mer.simulate.plan import Recording, Session, clip_seed, draw_seconds, lay_out
from mer.simulate.sheets import Cell, Row, Table
from mer.simulate.tree import Picture, Tree

FRAMES = ("OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F")
AFTER = ("FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL")
VIS_FRAMES, VIS_AFTER = FRAMES[:4], ("FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalVL")


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per long clip, by name."""
    groups = _folded([(name, label) for name, label, _ in clip_labels(params, index)], params.quirks)
    return [_recording(params, index, group) for group in groups]


def _folded(clips: list[tuple[str, str]], folding: bool) -> list[list[tuple[str, str]]]:
    """Return the clips one by one, but the first two neighbours of one label together."""
    pairs = [k for k in range(len(clips) - 1) if clips[k][1] == clips[k + 1][1]] if folding else []
    if not pairs:
        return [[clip] for clip in clips]
    k = pairs[0]
    return [*([clip] for clip in clips[:k]), clips[k : k + 2], *([clip] for clip in clips[k + 2 :])]


def _recording(params: SimulateParams, index: int, group: list[tuple[str, str]]) -> Recording:
    face, name = FIRST_FACE + index, group[0][0]
    session = Session(f"s{index + 1:02d}", face, params.fps, clip_seed(params, face, f"long {name}"))
    rng = session.interval_rng()
    first = int(rng.integers(95_000, 960_000)) if camera(params) == "hs" else 1
    seconds = [draw_seconds(params, rng) for _ in group]
    places, last = lay_out(params.fps, seconds, rng, first, centred=[True] * len(group))
    events = []
    for turn, ((_, label), when) in enumerate(zip(group, places, strict=True), start=1):
        units = draw_content(params, REPERTOIRE, label, derive_seed(session.seed, turn))
        events.append(session.event(name if turn == 1 else f"{name}-{turn}", label, units, when))
    return session.recording(name, events, range(first, last + 1))


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


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the annotation table; its numbers differ from the files' unless the camera is HS."""
    which = camera(params).upper()
    text = [[], [None, "onset and offset are counted as FirstF is"], [None, "simulated recordings"]]
    path = f"SMIC-E_raw image/{which}_long/SMIC-{which}-E_annotation.xlsx"
    rows = [_row(params, recording, k) for k, recording in enumerate(recordings)]
    return [Table(path, header(params), rows, below=text)]


def _row(params: SimulateParams, recording: Recording, place: int) -> Row:
    turns = 2 if camera(params) == "vis" else 3
    shift = 0 if camera(params) == "hs" else 1000 + 17 * place
    frames: list[Cell] = [n + shift for plan in recording.events for n in (plan.onset, plan.offset)]
    lengths: list[Cell] = [plan.offset - plan.onset + 1 for plan in recording.events]
    first, last = recording.numbers[0] + shift, recording.numbers[-1] + shift
    frames += [0] * (2 * turns - len(frames))
    lengths += [0] * (turns - len(lengths))
    start: Cell = str(first) if place % 3 == 2 else first
    label = recording.events[0].emotion
    clip: list[Cell] = [int(recording.subject[1:]), _plain(recording.name), None]
    return [*clip, *frames, None, start, last, *lengths, last - first + 1, label, None, None]


LAYOUT = Layout("smic_e", cameras("smic_e"), people, Tree(pictures), tables)
