"""Every clip of a run, to look at errors: what each system says of it, and small pictures of its products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from mer.core.sample import Sample, subject_key
from mer.report.clip_pictures import DRAWN, ClipReader, label_of
from mer.report.clips import paths_of
from mer.report.data import Dataset
from mer.report.origin import ProductRecord
from mer.report.product_pictures import Scales
from mer.report.scores import Experiment
from mer.report.strips import LEVELS, Level, Strip, strips
from mer.report.wording import plain

BUDGET = 18_000_000  # characters of pictures in a page
TRIED = 5  # clips by which the size of the pictures is chosen


@dataclass(frozen=True)
class Verdict:
    """What one system says of one clip over its seeds: right where most seeds are; `share` is the mean score
    that the true class got, None where the system's tables tell no scores.
    """

    system: str
    truth: str
    said: str
    right: bool
    share: float | None


@dataclass(frozen=True)
class LookedAt:
    """One clip with the verdicts of all systems that predicted it."""

    number: int
    dataset: str
    sample: Sample
    verdicts: Sequence[Verdict] = ()

    @property
    def wrong(self) -> int:
        """How many systems name another class."""
        return sum(not verdict.right for verdict in self.verdicts)

    @property
    def label(self) -> str:
        """The true class of the systems, or the emotion where they differ or there are none."""
        classes = {verdict.truth for verdict in self.verdicts}
        return classes.pop() if len(classes) == 1 else label_of(self.sample)

    @property
    def outcome(self) -> str:
        """`none` without a prediction, else how many of the systems are wrong: `all`, `some` or `right`."""
        if not self.verdicts:
            return "none"
        return "right" if not self.wrong else "all" if self.wrong == len(self.verdicts) else "some"

    @property
    def mistaken_for(self) -> str:
        """The classes that were said instead, the most frequent first."""
        said = Counter(verdict.said for verdict in self.verdicts if not verdict.right)
        return ", ".join(f"{name} ({count})" for name, count in said.most_common())


@dataclass(frozen=True)
class EveryClip:
    """All usable clips of a run; `strips` holds the pictures of each, as far as the budget goes (`level`)."""

    clips: Sequence[LookedAt]
    systems: Sequence[str]
    licensed: bool
    strips: Mapping[int, Sequence[Strip]] = field(default_factory=dict)
    level: Level | None = None

    @property
    def missed_by_all(self) -> list[LookedAt]:
        """The clips that no system names rightly; those with more systems first."""
        return sorted((one for one in self.clips if one.outcome == "all"), key=lambda one: -len(one.verdicts))

    def data(self, one: LookedAt) -> dict[str, Any]:
        """Return what the page's script needs of a clip, free of marks that reorder text."""
        pictures = [[plain(s.product), s.source, list(map(plain, s.labels))] for s in self.strips.get(one.number, ())]
        said = [[plain(v.system), plain(v.truth), plain(v.said), v.right, v.share] for v in one.verdicts]
        return {"pictures": pictures, "verdicts": said}


def every_clip(datasets: Sequence[Dataset], experiments: Sequence[Experiment]) -> EveryClip:
    """Return the usable clips with what the experiments on true labels say of them, without pictures."""
    true = [experiment for experiment in experiments if not experiment.permuted]
    said: dict[tuple[str, str], list[Verdict]] = {}
    for experiment in true:
        for key, verdict in _verdicts(experiment):
            said.setdefault(key, []).append(verdict)
    rows = [(one.name, sample) for one in datasets for sample in one.usable]
    clips = [
        LookedAt(number, name, sample, said.get((sample.dataset, sample.sample_id), ()))
        for number, (name, sample) in enumerate(rows)
    ]
    licensed = any(not one.inputs.simulated for one in datasets)
    return EveryClip(clips, [experiment.name for experiment in true], licensed)


def _verdicts(experiment: Experiment) -> Iterator[tuple[tuple[str, str], Verdict]]:
    scored = experiment.scored
    right = (scored.predicted == scored.truth).mean(axis=0)
    for i, key in enumerate(scored.keys):
        counts = Counter(scored.predicted[:, i].tolist()).most_common()
        names = [scored.classes[code] for code, _ in counts]
        said = names[0] if len(names) == 1 else ", ".join(f"{n} {c}×" for n, (_, c) in zip(names, counts, strict=True))
        truth = int(scored.truth[i])
        share = None if scored.scores is None else round(float(scored.scores[:, i, truth].mean()), 3)
        yield key, Verdict(experiment.name, scored.classes[truth], said, bool(right[i] > 0.5), share)


def pictured(
    every: EveryClip,
    datasets: Sequence[Dataset],
    records: Mapping[str, Sequence[ProductRecord]],
    sources: Mapping[str, str],
    scales: Mapping[str, Mapping[str, Scales]],
    budget: int = BUDGET,
) -> EveryClip:
    """Return the same clips with their pictures.

    Args:
        every: of the run.
        datasets: of the run.
        records: of each dataset's products; a clip that none has is not looked for.
        sources: product -> product it was made from.
        scales: by dataset, of every flow product.
        budget: characters that the pictures may take; the clips after those that fill it have none.
    """
    by_name = {one.name: one for one in datasets}
    held = {name: _held(products) for name, products in records.items()}
    shown = [one for one in every.clips if one.sample.sample_id in held[one.dataset]]
    if not shown:
        return every

    def drawn(some: Sequence[LookedAt], level: Level) -> Iterator[tuple[int, list[Strip]]]:
        for (name, _), person in groupby(some, lambda one: (one.dataset, subject_key(one.sample))):
            clips = list(person)
            with ClipReader(paths_of(by_name[name], clips[0].sample), "", sources) as reader:
                for one in clips:
                    yield one.number, strips(reader.of(one.sample.sample_id), scales.get(name, {}), level)

    tried = [shown[i] for i in sorted({round(k) for k in np.linspace(0, len(shown) - 1, TRIED)})]
    for level in LEVELS:
        if _size(pictures for _, pictures in drawn(tried, level)) / len(tried) * len(shown) <= budget:
            break
    taken, found = 0, {}
    for number, pictures in drawn(shown, level):
        taken += _size([pictures])
        if taken > budget:
            break
        found[number] = pictures
    return EveryClip(every.clips, every.systems, every.licensed, found, level)


def _size(clips: Iterable[Sequence[Strip]]) -> int:
    return sum(len(strip.source) for pictures in clips for strip in pictures)


def _held(records: Sequence[ProductRecord]) -> set[str]:
    return {clip for record in records if record.product.split("/")[0] in DRAWN for clip in record.clip_ids}
