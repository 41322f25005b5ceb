"""Sample clips and their pictures: which clips are shown, and the containers they are read from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mer.core.container import Clip, Container
from mer.core.errors import ContainerError
from mer.core.sample import Sample
from mer.report import product_pictures
from mer.report.drawing import nice_ceiling
from mer.report.product_pictures import Picture, Scales

DRAWN = ("align", "interpolate", "magnify", "flow", "rois")
WITH_FACES = ("align", "interpolate", "magnify")


def label_of(sample: Sample) -> str:
    """Return the emotion of a row in the most telling of its columns, or ''."""
    return sample.emotion_norm or sample.emotion_raw or sample.emotion_3 or ""


def choose_clips(samples: Iterable[Sample], available: Collection[str], count: int) -> list[Sample]:
    """Return up to `count` rows, of as many different classes and then subjects as there are.

    Args:
        samples: rows of an index, in any order.
        available: sample ids that have something to show; the others are passed over.
        count: how many to return.
    """
    left = sorted((s for s in samples if s.sample_id in available), key=lambda s: (s.group, s.sample_id))
    chosen: list[Sample] = []
    classes, people = Counter[str](), Counter[str]()
    while left and len(chosen) < count:
        best = min(left, key=lambda s: (classes[label_of(s)], people[s.group]))
        left.remove(best)
        chosen.append(best)
        classes[label_of(best)] += 1
        people[best.group] += 1
    return chosen


class ClipReader:
    """The products of one clip, opened as they are needed.

    Args:
        paths: product -> container; products whose container is missing or lacks the clip are named in the pictures.
        sample_id: the clip.
        sources: product -> product it was made from.
    """

    def __init__(self, paths: Mapping[str, Path], sample_id: str, sources: Mapping[str, str]) -> None:
        self.paths, self.sample_id, self.sources = paths, sample_id, sources
        self._stack = ExitStack()
        self._boxes: dict[str, Container] = {}

    def of(self, sample_id: str) -> ClipReader:
        """Return a reader of another clip of the same person, which shares the open containers and ends with this."""
        other = ClipReader(self.paths, sample_id, self.sources)
        other._stack, other._boxes = self._stack, self._boxes
        return other

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def container(self, product: str) -> Container:
        """Return the open container of a product; raises `ContainerError` when there is none."""
        if product not in self._boxes:
            if product not in self.paths:
                raise ContainerError(product, "not among the products of this dataset")
            self._boxes[product] = self._stack.enter_context(Container(self.paths[product]))
        return self._boxes[product]

    def clip(self, product: str) -> Clip:
        """Return the clip in a product; raises `ContainerError` when it is not there."""
        return self.container(product).clip(self.sample_id)

    def has(self, product: str) -> bool:
        """Return whether the clip can be read from a product."""
        return (
            product in self.paths
            and self.paths[product].exists()
            and self.sample_id in self.container(product).clip_ids
        )

    def face(self, product: str, index: int, factor: int | None) -> np.ndarray | None:
        """Return the (S, S, 3) crop of frame `index` that `product` was computed from; None when it is not at hand."""
        source = self.sources.get(product)
        if source is None or source.split("/")[0] not in WITH_FACES or not self.has(source):
            return None
        frames = self.clip(source).lazy("frames")
        if not 0 <= index < frames.shape[-4]:
            return None
        return frames[index] if frames.ndim == 4 else frames[-1 if factor is None else factor, index]


def clip_pictures(reader: ClipReader, scales: Mapping[str, Scales]) -> Iterator[Picture]:
    """Yield one picture per drawn product of a clip, in the order of `reader.paths`.

    Args:
        reader: of the clip.
        scales: of every flow product; one that is missing is taken from this clip alone.
    """
    for product in reader.paths:
        if product.split("/")[0] not in DRAWN:
            continue
        try:
            yield _picture(reader, product, scales)
        except ContainerError as error:
            yield Picture(product, (), f"Not shown: {error.found}.")


def _picture(reader: ClipReader, product: str, scales: Mapping[str, Scales]) -> Picture:
    stage = product.split("/")[0]
    clip, parameters = reader.clip(product), reader.container(product).parameters()
    if stage == "align":
        return product_pictures.align_picture(product, clip, parameters)
    if stage == "interpolate":
        return product_pictures.interpolate_picture(product, clip, parameters)
    if stage == "rois":
        return rois_of(reader, product, clip)

    def face(index: int, factor: int | None) -> np.ndarray | None:
        return reader.face(product, index, factor)

    if stage == "magnify":
        return product_pictures.magnify_picture(product, clip, parameters, face)
    return product_pictures.flow_picture(product, clip, parameters, face, scales.get(product) or common_scales([clip]))


def common_scales(clips: Sequence[Clip]) -> Scales:
    """Return round scales that fit the flow pictures of all clips, so that their colours can be compared."""
    tops = [product_pictures.flow_scales(clip) for clip in clips]
    return Scales(*(nice_ceiling(max(top[i] for top in tops)) for i in range(2)))


def rois_of(reader: ClipReader, product: str, clip: Clip, small: bool = False) -> Picture:
    """Draw the boxes of the most telling row on the crop that its row of the source starts from.

    Args:
        reader: of the clip.
        product: its name.
        clip: in the product.
        small: for a picture of a hundred pixels: boxes without names, and nothing else.
    """
    source = reader.sources.get(product, "")
    parameters = reader.container(product).parameters()
    if not reader.has(source):
        raise ContainerError(product, f"its source {source or 'product'} is not at hand")
    made_of = reader.clip(source)
    events, count = product_pictures.events_of(made_of), len(clip.lazy("boxes"))
    if "pairs" in made_of:
        pairs, size = made_of.read("pairs"), made_of.lazy("flow").shape[-2:]
        row = product_pictures.pick_pairs(pairs, events)[-1]
        shown_row, frame = row, int(pairs[row, 0])
    else:
        frames = made_of.lazy("frames")
        row = frame = shown_row = events.get("apex", frames.shape[-4] // 2)
        size = frames.shape[-3:-1]
    if count == 1:  # one set of boxes for the clip, placed by the landmarks of the onset
        row, frame = 0, events.get("onset", frame)
    face = (
        reader.face(source, frame, None) if "pairs" in made_of else made_of.lazy("frames")[_frame_index(made_of, frame)]
    )
    shown = [] if face is None else [(row, face, f"boxes on frame {frame}")]
    place = _patches_of(clip, shown_row) if "patches" in clip and not small else None
    return product_pictures.rois_picture(product, clip, parameters, shown, (size[1], size[0]), place, small)


def _patches_of(clip: Clip, row: int) -> tuple[int, ...] | None:
    """Return where a frame or pair, at the last factor, is in the leading axes of `patches`; None when outside."""
    tail = 3 if clip.attributes.get("of") == "strain" else 4
    lead = clip.lazy("patches").shape[:-tail]
    if len(lead) not in (1, 2) or not 0 <= row < lead[-1]:
        return None
    return (row,) if len(lead) == 1 else (lead[0] - 1, row)


def _frame_index(clip: Clip, frame: int) -> tuple[int, ...]:
    return (frame,) if clip.lazy("frames").ndim == 4 else (-1, frame)
