"""The clips section: sample clips of a dataset with a picture of every product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mer.core.sample import Sample, subject_key
from mer.report.clip_pictures import DRAWN, ClipReader, choose_clips, clip_pictures, common_scales, label_of
from mer.report.data import Dataset
from mer.report.origin import ProductRecord
from mer.report.product_pictures import EVENTS, Embedded, Scales, embedded


@dataclass(frozen=True)
class ShownClip:
    """One clip: what is annotated, and per product its name, panels and caption; without panels, it says why."""

    sample_id: str
    annotation: str
    figures: Sequence[tuple[str, Sequence[Embedded], str]]


@dataclass(frozen=True)
class DatasetClips:
    """The sample clips of one dataset; `licensed` faces are not for everyone to see. `scales` are of flow products."""

    name: str
    licensed: bool
    clips: Sequence[ShownClip]
    scales: Mapping[str, Scales]


def sample_clips(
    dataset: Dataset, records: Sequence[ProductRecord], sources: Mapping[str, str], count: int
) -> DatasetClips:
    """Return up to `count` clips of a dataset, drawn on one scale per flow product."""
    drawn = [r for r in records if r.product.split("/")[0] in DRAWN]
    chosen = choose_clips(dataset.samples, available(drawn, count), count)
    with ExitStack() as stack:
        readers = [
            stack.enter_context(ClipReader(paths_of(dataset, sample), sample.sample_id, sources)) for sample in chosen
        ]
        scales = flow_scales(readers)
        # Each clip is encoded before the next is drawn: its arrays are many times larger.
        clips = [_shown(sample, reader, scales) for sample, reader in zip(chosen, readers, strict=True)]
    return DatasetClips(dataset.name, not dataset.inputs.simulated, clips, scales)


def _shown(sample: Sample, reader: ClipReader, scales: Mapping[str, Scales]) -> ShownClip:
    pictures = clip_pictures(reader, scales)
    figures = [(one.product, [embedded(panel) for panel in one.panels], one.caption) for one in pictures]
    return ShownClip(sample.sample_id, annotation(sample), figures)


def available(records: Sequence[ProductRecord], count: int) -> set[str]:
    """Return the clips that are in the most products; all that are in any when those are fewer than `count`."""
    products = Counter(sample_id for record in records for sample_id in record.clip_ids)
    best = {sample_id for sample_id, n in products.items() if n == max(products.values())}
    return best if len(best) >= count else set(products)


def paths_of(dataset: Dataset, sample: Sample) -> dict[str, Path]:
    """Return the container of each product that holds the clips of the sample's subject."""
    key = subject_key(sample)
    return {product: paths[key] for product, paths in dataset.inputs.products.items() if key in paths}


def flow_scales(readers: Sequence[ClipReader]) -> dict[str, Scales]:
    """Return one scale per flow product for all shown clips of a dataset."""
    products = {product for reader in readers for product in reader.paths if product.startswith("flow/")}
    scales = {}
    for product in sorted(products):
        clips = [reader.clip(product) for reader in readers if reader.has(product)]
        if clips:
            scales[product] = common_scales(clips)
    return scales


def annotation(sample: Sample) -> str:
    """Return what the database says of a clip, in one line."""
    label = label_of(sample)
    events = [f"{name} {getattr(sample, name)}" for name in EVENTS if getattr(sample, name) is not None]
    parts = [f"subject {sample.subject}", label or "no label"]
    if sample.emotion_3 and sample.emotion_3 != label:
        parts.append(f"{sample.emotion_3} of three classes")
    if sample.aus:
        parts.append("AU " + " + ".join(str(number) for number in sample.au_numbers))
    counted = "frames of the video, from 0" if sample.media_kind == "video" else "file numbers"
    parts.append(f"{', '.join(events)} ({counted})" if events else "no annotated frames")
    if sample.fps is not None:
        parts.append(f"{sample.fps:g} frames per second")
    return " · ".join(parts)
