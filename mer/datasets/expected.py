"""Counts that each known release must have, and what a reading has instead (V04).

The card of each database has the counts of its known copies (`contract.Release`), aggregates only. A difference is a
warning: it tells an edited copy or a subset from the release.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mer.core.sample import Sample
from mer.datasets.contract import Release
from mer.datasets.labels import CD6ME_AUS, au_targets
from mer.datasets.reading import Reading
from mer.datasets.views import shipped_views


@dataclass(frozen=True)
class Count:
    """One count of a known release: `what` names it as `measure` does, `status` is verified or secondary."""

    what: str
    found: int
    expected: int
    status: str

    @property
    def ok(self) -> bool:
        """Tell whether the count is as expected."""
        return self.found == self.expected


def release_for(releases: Sequence[Release], file: str) -> Release | None:
    """Return the release whose name begins the file's name; one without a name matches any file."""
    matches = [release for release in releases if file.casefold().startswith(release.name.casefold())]
    return max(matches, key=lambda release: len(release.name), default=None)


def measure(samples: Iterable[Sample]) -> Counter[str]:
    """Return every count that a `Release` may name, over all rows whatever their status.

    A row counts once under a name. Objective classes are those of the view `objective`. Lengths are in frames, from
    onset to offset: of all rows, of those of one type, and of those of one view of the media (`raw longest clip`).
    """
    counts: Counter[str] = Counter()
    people: dict[str, set[str]] = defaultdict(set)
    videos: dict[str, set[str]] = defaultdict(set)
    # Units are counted by themselves below: as views, each would read the same cell again.
    views = {name: view for name, view in shipped_views().items() if not name.startswith("cd6me_au")}
    lengths: dict[str, list[int]] = defaultdict(list)
    for sample in samples:
        kind = sample.expression_type
        if sample.onset is not None and sample.offset is not None:
            for scope in ("", f"{kind} ", f"{sample.view} "):
                lengths[scope].append(sample.offset - sample.onset + 1)
        for scope in ("", f"{kind} ", f"{sample.dataset} "):
            counts[f"{scope}rows"] += 1
            people[f"{scope}subjects"].add(sample.group)
            videos[f"{scope}videos"].add(f"{sample.group} {sample.video_id}")
            counts[f"{scope}subject {sample.subject}"] += 1
            counts[f"{scope}{sample.emotion_norm}"] += 1
        counts[f"{sample.emotion_norm} subject {sample.subject}"] += 1
        counts[f"type {kind}"] += 1
        counts[f"emotion {sample.emotion_norm}"] += 1
        for name, view in views.items():
            label = view.class_of(sample)
            for scope in ("", f"{kind} ") if label is not None else ():
                counts[f"{scope}{name} {label}"] += 1
                counts[f"{scope}{name} rows"] += 1
                people[f"{scope}{name} subjects"].add(sample.group)
        for unit, present in zip(CD6ME_AUS, au_targets(sample) or (), strict=False):
            counts[f"cd6me au {unit}"] += present
    for name, members in (*people.items(), *videos.items()):
        counts[name] = len(members)
    for scope, some in lengths.items():
        counts |= {f"{scope}shortest clip": min(some), f"{scope}longest clip": max(some)}
        counts[f"{scope}mean clip in tenths"] = round(10 * sum(some) / len(some))
    return counts


def is_length(what: str) -> bool:
    """Tell whether a count is the length of a clip and no number of rows."""
    return what.endswith(("shortest clip", "longest clip", "mean clip in tenths"))


def counted(reading: Reading, releases: Sequence[Release]) -> list[Count]:
    """Return every count of the release that a reading's file names beside what it has; [] when none is known.

    Objective classes known second-hand are left out where the reading has none at all: they come in a separate file.
    """
    release = release_for(releases, reading.release)
    if release is None:
        return []
    measured = measure(reading.samples)
    classes = any(sample.objective_class for sample in reading.samples)
    expected = {what: (n, release.status) for what, n in release.counts.items()}
    for what, n in release.secondary.items():
        if classes or not what.startswith(("objective", "megc2018")):
            expected[what] = (n, "secondary")
    # An emotion that the release does not have is a difference too.
    if any(what.startswith("emotion ") for what in expected):
        surplus = sorted(what for what in measured if what.startswith("emotion ") and what not in expected)
        expected |= {what: (0, release.status) for what in surplus if what != "emotion "}
    # Lengths that are known of one view of the media say nothing of another.
    told = {what: known for what, known in expected.items() if what in measured or not is_length(what)}
    return [Count(what, measured[what], n, status) for what, (n, status) in told.items()]


def note_differences(reading: Reading, releases: Sequence[Release]) -> None:
    """Add one V04 warning that lists the counts that differ from the release, none when there are none."""
    differences = [count for count in counted(reading, releases) if not count.ok]
    if differences:
        shown = ", ".join(f"{d.what} {d.found} (release: {d.expected})" for d in differences[:12])
        more = f" and {len(differences) - 12} more" if len(differences) > 12 else ""
        second_hand = all(d.status != "verified" for d in differences)
        status = "; the release's numbers are second-hand" if second_hand else ""
        reading.note(
            "V04", "warning", f"counts differ: {shown}{more}{status}; an edited copy or a part of the release?"
        )
