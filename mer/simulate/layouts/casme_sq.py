"""Simulated recordings laid out as CAS(ME)^2 is delivered (specs/datasets.md §5).

    CAS(ME)^2code_final.xlsx                             sheet CASFEcode_final without a header, and two naming sheets
    rawpic/s15/15_0101disgustingteeth/img001.jpg         whole recordings, only with `raw`
    selectedpic/s15/disgust1_1/img021.jpg                numbers kept from rawpic
    cropped/15/disgust1_1/img021.jpg                     the face; subjects without `s`

A recording holds up to three expressions, macro and micro in turn; `clips` counts both. Participants are numbers, films
are codes, and the text behind a code on disk is noise.

`quirks` adds:

- s15: an *others* macro-expression whose offset is 0 in the table, and a recording without a label (0508);
- s16: an *others* micro-expression with `NULL` action units, and a misplaced copy of a recording of s15;
- s19, s20 ...: an *others* macro-expression with `null` action units;
- s16, s21, s24 ...: a clip that the cropped tree lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mer.core.seeds import derive_seed
from mer.simulate.content import Repertoire, draw_content, joined, subject_labels
from mer.simulate.contract import SLOW, Camera, Layout
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, Session, clip_seed, draw_seconds, events_of, lay_out
from mer.simulate.sheets import Cell, Row, Table, number_cell
from mer.simulate.tree import Picture, Tree

TABLE_NAME = "CAS(ME)^2code_final.xlsx"
COLUMNS = ("participant", "video", "onset", "apex", "offset", "aus", "emotion", "type", "self_report")
FOLDERS = (15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 40)
FILMS = {
    "disgust1": "0101disgustingteeth",
    "anger1": "0401girlcrashing",
    "happy1": "0502funnyerrors",
    "disgust2": "0102eatingworms",
    "anger2": "0402beatingpregnantwoman",
    "happy2": "0503unnyfarting",
    "happy3": "0505funnyinnovations",
    "happy4": "0507climbingthewall",
}
UNLABELLED = "0508funnydunkey"
REPERTOIRE = Repertoire(
    (("positive",), ("negative",), ("surprise",)),
    {"positive": ("happiness",), "negative": ("disgust", "anger", "sadness", "fear")},
)
SELF_REPORTS = {
    "positive": ("happiness", "happyiness", "happiness"),
    "negative": ("disgust", "anger", "fear", "sadness", "pain"),
    "surprise": ("surprise",),
    "others": ("helpless", "confused", "sympathy"),
}
STRAY_FRAMES = 6
FIRST_FACE = 480


def people(params: SimulateParams, index: int) -> list[Recording]:
    """Return one recording per film; of s15 also one without a label, of s16 a misplaced copy."""
    labels = [(label, k % 2 == 0, "") for k, label in enumerate(subject_labels(params, REPERTOIRE, FIRST_FACE + index))]
    if params.quirks:
        labels.append(("others", index != 1, "offset 0" if index == 0 else "no units"))
    films = list(FILMS)[index % 2 :]
    each = max(3, -(-len(labels) // len(films)))
    parts = [labels[k : k + each] for k in range(0, len(labels), each)]
    recordings = [_recording(params, index, film, part) for film, part in zip(films, parts, strict=False)]
    if params.quirks and index == 0:
        recordings.append(_recording(params, index, UNLABELLED, []))
    if params.quirks and index == 1:
        recordings.append(_misplaced(people(params, 0)[0]))
    return recordings


def _recording(params: SimulateParams, index: int, film: str, labels: list[tuple[str, bool, str]]) -> Recording:
    face = FIRST_FACE + index
    session = Session(f"s{FOLDERS[index]}", face, params.fps, clip_seed(params, face, film))
    rng = session.interval_rng()
    seconds = [draw_seconds(params, rng, macro) for _, macro, _ in labels]
    places, last = lay_out(params.fps, seconds, rng, total=params.seconds)
    events = []
    for turn, ((label, macro, quirk), when) in enumerate(zip(labels, places, strict=True), start=1):
        units = draw_content(params, REPERTOIRE, label, derive_seed(session.seed, turn), macro)
        kind = f"{'macro' if macro else 'micro'}{', ' if quirk else ''}{quirk}"
        events.append(session.event(f"{film}_{turn}", label, units, when, quirk=kind))
    return session.recording(film, events, range(1, last + 1))


def _misplaced(recording: Recording) -> Recording:
    """Return the first frames of a recording of s15 as they lie among those of s16."""
    session = replace(recording.session, subject=f"s{FOLDERS[1]}")
    return session.recording(recording.name, [], recording.numbers[:STRAY_FRAMES], "misplaced")


def pictures(params: SimulateParams, recording: Recording, number: int) -> list[Picture]:
    """Return the files of a frame: in the whole recording with `raw`, and in those of the expression it belongs to."""
    subject = recording.subject
    files = []
    if params.raw:
        owner = FOLDERS[recording.face - FIRST_FACE]
        text = FILMS.get(recording.name, recording.name)
        folder = f"{owner}_{text}"
        key = (subject, folder if recording.kind else text[:4])
        files.append(Picture(key, f"rawpic/{subject}/{folder}/img{number:03d}.jpg", "raw"))
    for plan in recording.events:
        if number in plan.numbers:
            name = f"{plan.clip}/img{number:03d}.jpg"
            files.append(Picture((subject, plan.clip), f"selectedpic/{subject}/{name}", "selected"))
            if not _uncropped(params, plan, recording):
                files.append(Picture((subject, plan.clip), f"cropped/{subject[1:]}/{name}", "cropped", cropped=True))
    return files


def _uncropped(params: SimulateParams, plan: ClipPlan, recording: Recording) -> bool:
    index = recording.face - FIRST_FACE
    return params.quirks and index % 3 == 1 and plan is recording.events[0] and recording.name == list(FILMS)[index % 2]


def tables(params: SimulateParams, recordings: Sequence[Recording]) -> list[Table]:
    """Return the coding table, whose first sheet has no header."""
    rows = [_row(plan) for plan in events_of(recordings)]
    participants: list[Row] = [[n, f"s{n}", k] for k, n in enumerate(FOLDERS, start=1)]
    films: list[Row] = [[text[:4], name] for name, text in (*FILMS.items(), ("happy5", UNLABELLED))]
    naming = {"naming rule1": participants, "naming rule2": films}
    return [Table(TABLE_NAME, COLUMNS, rows, "CASFEcode_final", beside=naming, headless=True)]


def _row(plan: ClipPlan) -> Row:
    reports = SELF_REPORTS[plan.emotion]
    return [
        plan.face - FIRST_FACE + 1,
        plan.clip,
        plan.onset,
        plan.apex,
        0 if "offset 0" in plan.quirk else plan.offset,
        _au_cell(plan),
        plan.emotion,
        f"{plan.quirk[:5]}-expression",
        reports[plan.seed % len(reports)],
    ]


def _au_cell(plan: ClipPlan) -> Cell:
    if "no units" in plan.quirk:
        return "NULL" if "micro" in plan.quirk else "null"
    return number_cell(joined(plan.units).replace("+", "," if plan.seed % 2 else "+"))


LAYOUT = Layout(
    reader="casme_sq",
    cameras={"casme_sq": Camera({"fps": 30.0, **SLOW})},
    people=people,
    tree=Tree(pictures),
    tables=tables,
    views=("selected", "cropped", "raw"),
    spare={"cropped": "selected"},
    most_people=len(FOLDERS),
)
