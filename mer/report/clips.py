"""The clips section: sample clips of a dataset with a picture of every product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from mer.core.sample import Sample, subject_key
from mer.report.data import Dataset
from mer.report.figures import data_uri
from mer.report.markup import Markup, join, missing, tag
from mer.report.origin import ProductRecord
from mer.report.panels import Panel, Picture, Scales
from mer.report.pictures import DRAWN, ClipReader, choose_clips, clip_pictures, common_scales, label_of

LICENCE = (
    "These pictures show faces from a licensed database. Many licences allow only named subjects to be published: "
    "check yours before you pass this page on."
)


def clips_block(
    dataset: Dataset, records: Sequence[ProductRecord], sources: Mapping[str, str], count: int, simulated: bool
) -> Markup:
    """Return the pictures of up to `count` clips of a dataset."""
    head = tag("h3", dataset.name)
    drawn = [r for r in records if r.product.split("/")[0] in DRAWN]
    chosen = choose_clips(dataset.samples, available(drawn, count), count)
    if not chosen:
        return join([head, missing("No clip has a product that can be drawn.")])
    with ExitStack() as stack:
        readers = [
            stack.enter_context(ClipReader(paths_of(dataset, sample), sample.sample_id, sources)) for sample in chosen
        ]
        scales = flow_scales(readers)
        blocks = [
            clip_block(sample, clip_pictures(reader, scales)) for sample, reader in zip(chosen, readers, strict=True)
        ]
    return join([head, None if simulated else tag("p", LICENCE, class_="grey"), *blocks])


def available(records: Sequence[ProductRecord], count: int) -> set[str]:
    """Return the clips that are in the most products; all that are in any when those are fewer than `count`."""
    found = Counter(sample_id for record in records for sample_id in record.clip_ids)
    best = {sample_id for sample_id, n in found.items() if n == max(found.values())}
    return best if len(best) >= count else set(found)


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


def clip_block(sample: Sample, pictures: Sequence[Picture]) -> Markup:
    """Return one clip: what is annotated, and a figure per product."""
    return tag(
        "section",
        tag("h4", sample.sample_id),
        tag("p", annotation(sample), class_="grey"),
        tag("div", *map(figure, pictures), class_="figures"),
        class_="clip",
    )


def annotation(sample: Sample) -> str:
    """Return what the database says of a clip, in one line."""
    label = label_of(sample)
    events = [
        f"{name} {getattr(sample, name)}" for name in ("onset", "apex", "offset") if getattr(sample, name) is not None
    ]
    parts = [f"subject {sample.subject}", label or "no label"]
    if sample.emotion_3 and sample.emotion_3 != label:
        parts.append(f"{sample.emotion_3} of three classes")
    if sample.aus:
        parts.append("AU " + " + ".join(str(number) for number in sample.au_numbers))
    parts.append(", ".join(events) + " (file numbers)" if events else "no annotated frames")
    if sample.fps is not None:
        parts.append(f"{sample.fps:g} frames per second")
    return " · ".join(parts)


def figure(picture: Picture) -> Markup:
    """Return one product's panels with its caption, or the sentence that says why there are none."""
    name = tag("b", picture.product)
    if not picture.panels:
        return tag("figure", name, missing(picture.caption))
    kind = "panels"
    if len(picture.panels) > 8:
        kind += " many"
    elif len(picture.panels) == 1:
        kind += " large"
    panels = tag("div", *map(_panel, picture.panels), class_=kind)
    wide = "wide" if len(picture.panels) > 1 else None
    return tag("figure", name, panels, tag("figcaption", picture.caption), class_=wide)


def _panel(panel: Panel) -> Markup:
    classes = [] if panel.photo else ["values"]
    if panel.legend and panel.image.shape[0] == panel.image.shape[1]:
        classes.append("round")
    source = data_uri(panel.image, "jpeg" if panel.photo else "png")
    image = tag("img", src=source, alt=panel.label, class_=" ".join(classes) or None)
    return tag("div", image, tag("span", panel.label), class_="legend" if panel.legend else None)
