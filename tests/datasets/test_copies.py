"""Copies that are cut short or renumbered are told from genuine ones, padded and gappy ones included."""

import dataclasses

import pytest

from mer.core.errors import DatasetError
from mer.datasets import casme2, casme3, casme_sq, mmew, samm, samm_lv, smic
from mer.datasets.contract import Release
from mer.datasets.expected import counted
from mer.datasets.options import RenumberedKey
from mer.datasets.registry import READERS, reader
from mer.datasets.usable import require_usable, stops

EVENTS = [(46, 60, 146), (73, 80, 97), (1, 20, 60), (261, 300, 321), (30, 41, 59)]
HEADERS = {
    "casme2": ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"],
    "mmew": ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"],
    "samm": ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion"],
}


def casme2_copy(numbers, **options):
    """Read five clips of CASME II; `numbers(onset, offset)` are the images of each."""
    cells = [["1", f"EP0{k}_01", *map(str, e), "4", "disgust"] for k, e in enumerate(EVENTS)]
    listing = {("sub01", f"EP0{k}_01"): files(f"s/EP0{k}", numbers(on, off)) for k, (on, _, off) in enumerate(EVENTS)}
    return read(casme2, "casme2", cells, listing, options)


def files(folder, numbers):
    return [f"{folder}/img{number}.jpg" for number in numbers]


def read(module, header, cells, listing, options):
    rows = [dict(zip(HEADERS[header], row, strict=True)) for row in cells]
    return module.READER.samples_from(rows, listing, module.Options(**options), "table.xlsx")


def events(reading):
    return [(row.onset, row.apex, row.offset) for row in reading.samples if row.status == "ok"]


GENUINE = {
    "onset to offset": lambda on, off: range(on, off + 1),
    "the whole recording": lambda on, off: range(1, off + 300),
    "frames around": lambda on, off: range(max(on - 10, 0), off + 11),
    "an exclusive end": lambda on, off: range(on, off),
    "dropped frames": lambda on, off: [n for n in range(on, off + 1) if n % 12 != 5 or n in (on, off)],
}


@pytest.mark.parametrize("kind", GENUINE)
def test_genuine_copies_are_usable(kind):
    reading = casme2_copy(GENUINE[kind])
    assert reading.faults == [] and events(reading) == EVENTS


def test_casme2_renumbered_from_one():
    reading = casme2_copy(lambda on, off: range(1, off - on + 2))
    assert reading.faults == [
        "renumbered: 4 of 5 clips begin at image 1 instead of their onset, e.g. s/EP00 holds 1 to 101, annotated "
        "46 to 146; get the released numbers, or say that they were changed by the option `renumbered: 1` (V10)"
    ]
    assert stops(reading, casme2.DATABASE)[0] == reading.faults[0]
    mended = casme2_copy(lambda on, off: range(1, off - on + 2), renumbered=1)
    assert mended.faults == [] and not [p for p in mended.problems if p.rule == "V10"]
    assert events(mended) == [(1, apex - on + 1, off - on + 1) for on, apex, off in EVENTS]
    assert [row.index_base for row in mended.samples] == [1 - on for on, _, _ in EVENTS]


@pytest.mark.parametrize("shift", [-1, 7, 1000])
def test_one_number_added_to_all(shift):
    def numbers(on, off):
        return range(on + shift, off + shift + 1)

    (fault,) = casme2_copy(numbers).faults
    assert f"5 of 5 clips have images that are {shift:+d} off" in fault and f"`renumbered: {shift}`" in fault
    mended = casme2_copy(numbers, renumbered=shift)
    assert mended.faults == [] and events(mended) == [tuple(n + shift for n in event) for event in EVENTS]


@pytest.mark.parametrize("given", [1, 0, 46, 1000])
def test_the_option_is_refused_where_it_does_not_fit(given):
    (fault,) = casme2_copy(GENUINE["onset to offset"], renumbered=given).faults
    assert fault.startswith(f"the option `renumbered: {given}` does not fit: s/EP00 holds 46 to 146, which would be")


@pytest.mark.parametrize("kept", [6, 12])
def test_clips_cut_short(kept):
    (fault,) = casme2_copy(lambda on, off: range(on, on + kept)).faults
    assert fault.startswith(f"cut short: 5 of 5 clips lack images at an end, e.g. s/EP00 holds 46 to {45 + kept}, ann")
    # A few frames of each are within what a single clip may lack, and still the copy's fault.
    (fault,) = casme2_copy(lambda on, off: range(on, off - 1)).faults
    assert "cut short: 5 of 5 clips" in fault
    # One such clip is its own fault alone.
    one = casme2_copy(lambda on, off: range(on, on + 6 if on == 46 else off + 1))
    assert one.faults == [] and [row.status for row in one.samples] == ["missing_media", *["ok"] * 4]


def mmew_copy(first, extra=0, **options):
    lengths = (14, 20, 33, 77)
    cells = [["3", f"S03-03-00{k}", "1", "5", str(n), "4", "disgust"] for k, n in enumerate(lengths)]
    cells.append(["4", "S04-01-001", "1", "27", "40", "4", "happiness"])
    clips = {("S03", f"S03-03-00{k}"): files(f"S03-03-00{k}", range(first, n + first)) for k, n in enumerate(lengths)}
    clips[("S04", "S04-01-001")] = files("S04-01-001", range(first, 75 + first + extra))
    return read(mmew, "mmew", cells, clips, options)


def test_mmew_numbered_from_zero():
    assert mmew_copy(1).faults == []
    assert [row.offset for row in mmew_copy(1).samples] == [14, 20, 33, 77, 75]
    (fault,) = mmew_copy(0).faults
    assert fault == (
        "renumbered: 5 of 5 folders begin at image 0, in the release at 1, e.g. S03-03-000; get the released numbers, "
        "or say that they were changed by the option `renumbered: 0` (V10)"
    )
    for given in (0, -1):
        mended = mmew_copy(0, renumbered=given)
        assert mended.faults == []
        assert [(row.onset, row.apex, row.offset) for row in mended.samples] == [
            *[(0, 4, n - 1) for n in (14, 20, 33, 77)],
            (0, 39, 74),  # the correction counts images, whatever their numbers
        ]
    assert "does not fit" in mmew_copy(1, renumbered=0).faults[0]


@pytest.mark.parametrize("first", [1, 0])
def test_recordings_that_begin_at_another_image(tmp_path, first):
    name = "renumbered: 3 of 3 folders begin at image 0, in the release at 1"
    cells = [["1", f"EP0{k}_01", "46", "60", "90", "4", "disgust"] for k in range(3)]
    listing = {("sub01", f"EP0{k}_01"): files(f"EP0{k}", range(first, 200)) for k in range(3)}
    faults = read(casme2, "casme2", cells, listing, {"view": "raw"}).faults
    assert [fault.partition(", e.g.")[0] for fault in faults] == ([] if first else [name])
    if not first:
        mended = read(casme2, "casme2", cells, listing, {"view": "raw", "renumbered": 0})
        assert mended.faults == [] and events(mended) == [(45, 59, 89)] * 3
    assert all(card.trees[0].first == 1 for card in (casme_sq.DATABASE, samm_lv.DATABASE))


def test_samm_renumbered_keeps_its_offset():
    """An offset that disagrees with Duration is mended only where the disk contradicts it too."""
    header = [*HEADERS["samm"], "Duration"]
    cells = [["006", f"006_1_{k}", "562", "580", "600", "12", "Happiness", "35"] for k in range(3)]
    rows = [dict(zip(header, row, strict=True)) for row in cells]
    listing = {("006", f"006_1_{k}"): files(f"006_1_{k}", range(1, 40)) for k in range(3)}
    reading = samm.READER.samples_from(rows, listing, samm.Options(renumbered=1), "r")
    assert events(reading) == [(1, 19, 39)] * 3 and reading.faults == []


def test_casme3_clips_and_recordings():
    rows = [
        {
            "Subject": "spNO.1",
            "Filename": "a",
            "Onset": str(on),
            "Apex": str(apex),
            "Offset": str(off),
            "emotion": "sad",
        }
        for on, apex, off in EVENTS
    ]
    clips = {("spNO.1", f"a_{on}"): files(f"a_{on}", range(1, off - on + 2)) for on, _, off in EVENTS}
    reading = casme3.READER.samples_from(rows, clips, casme3.Options(view="clip"), "r")
    assert "renumbered: 4 of 5 clips begin at image 1" in reading.faults[0]
    mended = casme3.READER.samples_from(rows, clips, casme3.Options(view="clip", renumbered=1), "r")
    assert mended.faults == [] and events(mended)[0] == (1, 15, 101)
    # The recordings begin anywhere: only what was added to their numbers can be told.
    whole = {("spNO.1", "a"): files("a", range(6, 400))}
    moved = casme3.READER.samples_from(rows, whole, casme3.Options(renumbered=-1), "r")
    assert events(moved)[0] == (45, 59, 145)


def smic_copy(tmp_path, frames, lengths, view="raw"):
    top = {"raw": "SMIC_all_raw", "cropped": "SMIC_all_cropped"}[view]
    for k, length in enumerate(lengths, start=1):
        folder = tmp_path / top / "HS" / "s1" / "micro" / "negative" / f"s1_ne_{k:02d}"
        frames(folder, range(5000 * k, 5000 * k + length), "image{:06d}.bmp")
    return smic.READER.read(tmp_path, smic.Options(view=view))


def test_smic_clips_cut_to_six_frames(tmp_path, frames):
    reading = smic_copy(tmp_path, frames, [6, 6, 6])
    assert {row.reason for row in reading.samples} == {"6 images; clips of the release have 11 to 58: cut short"}
    assert reading.faults == [
        "cut short: 3 of 3 clips, e.g. SMIC_all_raw/HS/s1/micro/negative/s1_ne_01: 6 images; clips of the release have "
        "11 to 58: cut short; unpack the owner's archive again (V10)"
    ]
    with pytest.raises(DatasetError, match=r"smic_hs: .*: cut short: 3 of 3 clips.*`mer check` tells all"):
        require_usable(reading, smic.READER.databases[0], tmp_path)


@pytest.mark.parametrize(("view", "length", "ok"), [("raw", 11, True), ("raw", 10, False), ("cropped", 9, True)])
def test_one_short_clip_of_smic(tmp_path, frames, view, length, ok):
    reading = smic_copy(tmp_path, frames, [11, length, 58], view)
    assert reading.faults == [] and [row.status == "ok" for row in reading.samples] == [True, ok, True]


def test_lengths_are_counts_too(tmp_path, frames):
    reading = smic_copy(tmp_path, frames, [11, 40, 30])
    counts = {
        count.what: (count.found, count.expected) for count in counted(reading, smic.READER.databases[0].releases)
    }
    assert counts["raw shortest clip"] == (11, 11) and counts["raw longest clip"] == (40, 58)
    assert counts["raw mean clip in tenths"] == (270, 337)
    # No image is lost from the ends of the cropped tree's clips that anybody knows of: it is not held to these.
    cropped = smic_copy(tmp_path, frames, [11, 40, 30], "cropped")
    assert not [count for count in counted(cropped, smic.READER.databases[0].releases) if "clip" in count.what]
    alone = dataclasses.replace(smic.READER.databases[0], releases=(RELEASE,))
    assert stops(reading, alone)[0].endswith("clips that are cut otherwise; unpack the owner's archive again")
    # A part may lack the shortest clip, and cannot have a longer one than the longest.
    assert stops(reading, alone, part=True) == ()
    (reason,) = stops(smic_copy(tmp_path / "b", frames, [11, 40, 60]), alone, part=True)
    assert "raw longest clip 60 instead of 58, which no part of it can have" in reason


RELEASE = Release("", "verified", {"raw shortest clip": 5, "raw longest clip": 58, "raw mean clip in tenths": 100})


def test_every_reader_of_numbered_clips_has_the_key():
    keyed = {name for name in READERS if "renumbered" in reader(name).options.model_fields}
    # SMIC's images say themselves when an expression begins, SMIC-E counts from a column, part C by position; the
    # others have videos or whole pictures.
    assert set(READERS) - keyed == {
        *("smic", "smic_e", "casme3c", "flow_images", "videos", "meview", "rld"),
        "table",  # has `counting`
    }
    assert RenumberedKey.__metadata__[0].description
