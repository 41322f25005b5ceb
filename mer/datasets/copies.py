"""Is a copy of a database whole, and are its images numbered as its owner numbered them?

One clip that lacks images is excluded by itself (V10, `mer.datasets.frames_on_disk`). What concerns most clips is the
copy's fault: an archive that was unpacked half, videos that were cut into images again and numbered anew. Annotations
would then point at other images, often without a single gap, so such a copy is refused as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mer.core.sample import Sample
from mer.datasets.contract import MediaTree

_AGAIN = "unpack the owner's archive again"


@dataclass(frozen=True)
class Numbering:
    """What a user says of the numbers in the file names: the reader's key `renumbered`.

    Args:
        given: None where they are the released ones. Else the number of every clip's first image or, where clips begin
            at different numbers, what was added to all released ones.
        first: number of the first image of every clip or recording in the release; None where that is the onset.
        begins: whether most clips on disk begin at `given`.
    """

    given: int | None = None
    first: int | None = None
    begins: bool = False

    @classmethod
    def of(cls, given: int | None, tree: MediaTree, firsts: Iterable[int]) -> Numbering:
        """Return the numbering of a tree, told the first number on disk of every annotated clip."""
        if given is None or (tree.recordings and tree.first is None):
            return cls(given, tree.first)
        firsts = list(firsts)
        return cls(given, tree.first, 2 * firsts.count(given) > len(firsts))

    def base(self, onset: int | None) -> int:
        """Return what is added to an annotated number to get that of the file; `onset` is the clip's own."""
        released = self.first if self.first is not None else onset
        if self.given is None or (self.begins and released is None):
            return 0
        return self.given - (released or 0) if self.begins else self.given


def fault_of(samples: Sequence[Sample], tree: MediaTree, numbering: Numbering) -> str:
    """Return why the copy as a whole cannot be used, '' where nothing speaks against it.

    Args:
        samples: canonical rows, onset and offset in the numbers that the files should have.
        tree: the card of the images.
        numbering: what the user says of them.
    """
    rows = [row for row in samples if _known(row)]
    outside = [row for row in rows if not _holds(row)]
    # Whether a number was added to all is told by the clips that then lie in their folders.
    idle = numbering.given == 0 or (tree.first is None and 2 * len(outside) > len(rows))
    if rows and numbering.given is not None and not numbering.begins and idle:
        return _unfit(rows, numbering)
    found = _begins_elsewhere(rows, tree, numbering) or _moved(rows, outside)
    if not found and not tree.recordings:
        found = _begins_at_one_number(rows, outside)
    if found and numbering.given is not None:
        return _unfit(outside or rows, numbering)
    if found:
        fault, number = found
        said = f"say that they were changed by the option `{tree.renumbered.format(number)}`"
        return f"{fault}; get the released numbers, or {said} (V10)"
    return _cut_short(rows) or _too_short(samples, tree)


def _known(row: Sample) -> bool:
    if row.media_kind != "frames" or row.first_file is None or row.last_file is None:
        return False
    return row.onset is not None and row.offset is not None and row.onset < row.offset


def _ends(row: Sample) -> tuple[int, int, int, int]:
    assert row.first_file is not None and row.last_file is not None and row.onset is not None and row.offset is not None
    return row.first_file, row.last_file, row.onset, row.offset


def _holds(row: Sample) -> bool:
    first, last, onset, offset = _ends(row)
    return first <= onset and offset <= last


def _as_long(row: Sample) -> bool:
    """Tell whether a clip on disk is as long as annotated, some frames apart."""
    first, last, onset, offset = _ends(row)
    return abs((last - first) - (offset - onset)) <= max(2, (offset - onset + 1) // 10)


def _most(part: int, whole: int) -> bool:
    return part > 1 and 2 * part > whole


def _begins_elsewhere(rows: Sequence[Sample], tree: MediaTree, numbering: Numbering) -> tuple[str, int] | None:
    """Of recordings, and of clips that all begin at one number: do they begin at another one?"""
    if tree.first is None:
        return None
    expected = tree.first + numbering.base(tree.first)
    by_medium = {row.media_path: row for row in rows}
    number, many = _commonest(row.first_file for row in by_medium.values())
    if number is None or number == expected or not _most(many, len(by_medium)):
        return None
    odd = [row for row in by_medium.values() if row.first_file == number]
    fault = f"renumbered: {many} of {len(by_medium)} folders begin at image {number}, in the release at {tree.first}"
    return f"{fault}, e.g. {odd[0].media_path}", number


def _begins_at_one_number(rows: Sequence[Sample], outside: Sequence[Sample]) -> tuple[str, int] | None:
    """Of clips that are cut from onset to offset: were all numbered anew from one number?"""
    number, _ = _commonest(row.first_file for row in outside)
    fit = [row for row in outside if row.first_file == number != row.onset and _as_long(row)]
    return _told(fit, rows, f"clips begin at image {number} instead of their onset")


def _moved(rows: Sequence[Sample], outside: Sequence[Sample]) -> tuple[str, int] | None:
    """Of clips that are cut from onset to offset: was one number added to all numbers?"""
    shift, _ = _commonest(_ends(row)[0] - _ends(row)[2] for row in outside)
    fit = [row for row in outside if _ends(row)[0] - _ends(row)[2] == shift != 0 and _as_long(row)]
    return _told(fit, rows, f"clips have images that are {shift:+d} off their annotation" if fit else "")


def _told(fit: Sequence[Sample], rows: Sequence[Sample], fault: str) -> tuple[str, int] | None:
    """Return the fault of most rows, and the number to be said; None where it is not that of most."""
    if not _most(len(fit), len(rows)):
        return None
    first, last, onset, offset = _ends(fit[0])
    begins = len({row.first_file for row in fit}) == 1
    example = f"e.g. {fit[0].media_path} holds {first} to {last}, annotated {onset} to {offset}"
    return f"renumbered: {len(fit)} of {len(rows)} {fault}, {example}", first if begins else first - onset


def _unfit(rows: Sequence[Sample], numbering: Numbering) -> str:
    fault = f"the option `renumbered: {numbering.given}` does not fit"
    first, last, onset, offset = _ends(rows[0])
    example = f"{rows[0].media_path} holds {first} to {last}, which would be {onset} to {offset}"
    return f"{fault}: {example}; take it out, or give the number of the first image of every clip (V10)"


def _cut_short(rows: Sequence[Sample]) -> str:
    """Do most clips lack images at an end, more than the one that an exclusive end explains?"""
    cut = [row for row in rows if min(_ends(row)[1] - _ends(row)[3], _ends(row)[2] - _ends(row)[0]) < -1]
    if not _most(len(cut), len(rows)):
        return ""
    first, last, onset, offset = _ends(cut[0])
    example = f"{cut[0].media_path} holds {first} to {last}, annotated {onset} to {offset}"
    return f"cut short: {len(cut)} of {len(rows)} clips lack images at an end, e.g. {example}; {_AGAIN} (V10)"


def shorter_than_released(row: Sample, tree: MediaTree) -> str:
    """Return why a clip that no table describes is not whole (V10), '' where it may be."""
    if tree.lengths is None or row.first_file is None or row.last_file is None:
        return ""
    length, (fewest, most) = row.last_file - row.first_file + 1, tree.lengths
    return "" if length >= fewest else f"{length} images; clips of the release have {fewest} to {most}: cut short"


def _too_short(samples: Sequence[Sample], tree: MediaTree) -> str:
    short = [row for row in samples if shorter_than_released(row, tree)]
    filled = [row for row in samples if row.first_file is not None]
    if not _most(len(short), len(filled)):
        return ""
    example = f"{short[0].media_path}: {shorter_than_released(short[0], tree)}"
    return f"cut short: {len(short)} of {len(filled)} clips, e.g. {example}; {_AGAIN} (V10)"


def _commonest(numbers: Iterable[int | None]) -> tuple[int | None, int]:
    counts: Mapping[int | None, int] = Counter(numbers)
    return max(counts.items(), key=lambda item: item[1], default=(None, 0))
