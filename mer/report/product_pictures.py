"""Pictures of one clip of one product: which arrays are shown, at what scale, and what the caption says.

Each `*_picture` function takes an open clip and returns a `Picture`; nothing here looks for files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer.core.container import Clip
from mer.motion.colour import flow_to_rgb
from mer.report import drawing, patch_sheet
from mer.report.wording import counted

EVENTS = ("onset", "apex", "offset")
FRAMES_SHOWN = 10
PAIRS_SHOWN = 3
NAMES_SHOWN = 16
LEGEND = 96


@dataclass(frozen=True)
class Panel:
    """One image (H, W, 3) uint8 RGB; `photo` when JPEG may carry it; `label` stands below it.

    `legend` is a colour scale, `sheet` many small images in one; neither is resized.
    """

    image: np.ndarray
    label: str
    photo: bool = True
    legend: bool = False
    sheet: bool = False


@dataclass(frozen=True)
class Picture:
    """The panels of one product of one clip; without panels, `caption` says why."""

    product: str
    panels: tuple[Panel, ...]
    caption: str


@dataclass(frozen=True)
class Embedded:
    """A panel as a page holds it: its image as a `data:` address, its style class, and its words."""

    source: str
    label: str
    kind: str
    legend: bool
    alt: str = ""


def embedded(panel: Panel, alt: str = "", exact: bool = True) -> Embedded:
    """Return a panel as a page holds it.

    Args:
        panel: the image and its label.
        alt: says what it shows where the label does not.
        exact: its pixels are data unless it is a photograph, and stay visible when a browser enlarges it.
    """
    kind = "values" if exact and not panel.photo else ""
    if panel.legend and panel.image.shape[0] == panel.image.shape[1]:
        kind = f"{kind} round".lstrip()
    return Embedded(drawing.data_uri(panel.image, panel.photo), panel.label, kind, panel.legend, alt)


@dataclass(frozen=True)
class Scales:
    """Fully saturated flow length (pixels) and brightest strain (pixels per pixel) of a product's pictures."""

    flow: float
    strain: float


#: (index, factor index or None) -> the face crop (S, S, 3) that a product was computed from, or None.
Face = Callable[[int, int | None], "np.ndarray | None"]


def describe(parameters: Mapping[str, Any]) -> str:
    """Return `Method name, key value, …` of a container's parameters; those that are None are left out."""
    rest = {key: value for key, value in sorted(parameters.items()) if key != "method"}
    return ", ".join([f"Method {parameters.get('method', 'not recorded')}", *_pairs(rest)])


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} {_value(value)}" for key, value in values.items() if value is not None]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({', '.join(_pairs(value))})"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def events_of(clip: Clip) -> dict[str, int]:
    """Return the known events of a clip as indices."""
    return {name: int(clip.attributes[name]) for name in EVENTS if clip.attributes.get(name) is not None}


def spread(count: int, shown: int) -> list[int]:
    """Return up to `shown` indices out of `count`, evenly spread, first and last included."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, shown))}) if count else []


def key_frames(clip: Clip, count: int) -> list[tuple[int, str]]:
    """Return the frames worth a look: onset, half-way, apex, offset; evenly spread ones where they are unknown."""
    events = {name: i for name, i in events_of(clip).items() if 0 <= i < count}
    if "onset" in events and "apex" in events:
        chosen = [(events["onset"], "onset"), ((events["onset"] + events["apex"]) // 2, "between")]
        chosen.append((events["apex"], "apex"))
        chosen += [(events["offset"], "offset")] if "offset" in events else []
        return chosen
    names = {index: name for name, index in events.items()}
    return [(index, names.get(index, f"frame {index}")) for index in spread(count, 4)]


def align_picture(product: str, clip: Clip, parameters: Mapping[str, Any]) -> Picture:
    """Show onset, half-way, apex and offset with the landmarks drawn."""
    frames, landmarks = clip.lazy("frames"), clip.lazy("landmarks")
    panels = []
    for index, name in key_frames(clip, len(frames)):
        large = drawing.enlarge(frames[index], 2)
        image = drawing.draw_landmarks(large, drawing.scale_points(landmarks[index], 2), large.shape[0] / 150)
        panels.append(Panel(image, name if name.startswith("frame") else f"{name}, frame {index}"))
    quality = ""
    if "quality" in clip and len(frames):
        quality = f" Lowest quality {float(clip.read('quality').min()):.2f} on a scale from 0 to 1."
    if "detected" in clip:
        confirmed = int(clip.read("detected").sum())
        quality += f" The detector ran and found the face in {confirmed} of {len(frames)} frames"
        quality += "; the others were tracked."
    flags = [f"{key.removeprefix('flag: ')} in frames {clip.attributes[key]}" for key in _flags(clip)]
    if flags:
        quality += f" Flagged: {'; '.join(flags)}."
    side = f"{frames.shape[2]} × {frames.shape[1]} px"
    return Picture(
        product, tuple(panels), f"{len(frames)} aligned crops of {side}, 68 landmarks. {describe(parameters)}.{quality}"
    )


def _flags(clip: Clip) -> list[str]:
    return sorted(key for key in clip.attributes if key.startswith("flag: "))


def interpolate_picture(product: str, clip: Clip, parameters: Mapping[str, Any]) -> Picture:
    """Show the interpolated frames with their positions among the source's frames."""
    frames, positions = clip.lazy("frames"), clip.read("positions")
    names = {index: name for name, index in events_of(clip).items()}
    shown = spread(len(frames), FRAMES_SHOWN)
    panels = [Panel(frames[i], f"{positions[i]:.2f}" + (f" {names[i]}" if i in names else "")) for i in shown]
    some = f"{len(shown)} of {len(frames)} frames" if len(shown) < len(frames) else f"{len(frames)} frames"
    return Picture(
        product, tuple(panels), f"{some}; below each its position among the source's frames. {describe(parameters)}."
    )


def magnify_picture(product: str, clip: Clip, parameters: Mapping[str, Any], face: Face) -> Picture:
    """Show the apex as filmed, at up to three factors, and the difference at the largest."""
    frames, alphas = clip.lazy("frames"), clip.read("alphas")
    events = events_of(clip)
    index = events.get("apex", frames.shape[1] // 2)
    when = "apex" if "apex" in events else f"frame {index} (apex unknown)"
    plain = face(index, None)
    order = np.argsort(alphas)[-3:]
    panels = [] if plain is None else [Panel(plain, f"{when} as filmed")]
    panels += [Panel(frames[int(a), index], f"× {alphas[a]:g}") for a in order]
    caption = (
        f"{when.capitalize()}; the factor multiplies the motion since the reference frame. {describe(parameters)}."
    )
    if plain is None:
        return Picture(
            product, tuple(panels), f"{caption} The source product is not at hand, so the plain frame is missing."
        )
    last = frames[int(order[-1]), index]
    gain = drawing.difference_gain(plain, last)
    label = f"× {alphas[order[-1]]:g} minus filmed, × {gain}"
    panels.append(Panel(drawing.difference(plain, last, gain), label))
    return Picture(product, tuple(panels), f"{caption} The difference is drawn around mid-grey, enlarged {gain} times.")


def pick_pairs(pairs: np.ndarray, events: Mapping[str, int]) -> list[int]:
    """Return the pairs worth a look: (onset, apex) itself, else up to three spread from onset to apex, else of all."""
    onset, apex = events.get("onset"), events.get("apex")
    if onset is not None and apex is not None:
        exact = np.flatnonzero((pairs == (onset, apex)).all(axis=1))
        if len(exact):
            return [int(exact[0])]
        inside = np.flatnonzero((pairs.min(axis=1) >= onset) & (pairs.max(axis=1) <= apex))
        if len(inside):
            return [int(inside[i]) for i in spread(len(inside), PAIRS_SHOWN)]
    return spread(len(pairs), PAIRS_SHOWN)


def flow_scales(clip: Clip) -> tuple[float, float]:
    """Return the 99.5th percentile of flow length and strain (0 without) over the pairs that `flow_picture` shows."""
    factor = _factor(clip)
    lengths, strains = [0.0], [0.0]
    for index in pick_pairs(clip.read("pairs"), events_of(clip)):
        flow = np.asarray(_at(clip, "flow", factor, index), float)
        lengths.append(float(np.quantile(np.hypot(flow[0], flow[1]), 0.995)))
        if "strain" in clip:
            strains.append(float(np.quantile(np.asarray(_at(clip, "strain", factor, index), float), 0.995)))
    return max(lengths), max(strains)


def _factor(clip: Clip) -> int | None:
    """Return the index of the last factor where the flow has a leading axis of factors ([A,] P, 2, H, W)."""
    flow = clip.lazy("flow")
    return flow.shape[0] - 1 if flow.ndim == 5 else None


def _at(clip: Clip, name: str, factor: int | None, index: int) -> np.ndarray:
    data = clip.lazy(name)
    return data[index] if factor is None else data[factor, index]


def flow_picture(product: str, clip: Clip, parameters: Mapping[str, Any], face: Face, scales: Scales) -> Picture:
    """Show the flow of the chosen pairs as colour and its strain as heat, with legends."""
    pairs, factor = clip.read("pairs"), _factor(clip)
    chosen, bent = pick_pairs(pairs, events_of(clip)), "strain" in clip
    # Published flow images lost their scale: their values are shares of a channel's range (mer.stages.flow.published).
    unit = "of the range" if parameters.get("method") == "published" else "px"
    panels: list[Panel] = []
    for index in chosen:
        first, second = (int(v) for v in pairs[index])
        before = face(first, factor)
        panels += [Panel(before, f"frame {first}")] if before is not None else []
        flow = np.asarray(_at(clip, "flow", factor, index), float)
        colour = drawing.with_arrows(flow_to_rgb(flow, scales.flow), flow, scales.flow)
        panels.append(Panel(colour, f"flow {first} → {second}", photo=False))
        if bent:
            strain = drawing.heat(np.asarray(_at(clip, "strain", factor, index), float), scales.strain)
            panels.append(Panel(strain, f"strain {first} → {second}", photo=False))
    panels.append(Panel(drawing.flow_legend(LEGEND), f"radius {scales.flow:g} {unit}", photo=False, legend=True))
    if bent:
        panels.append(Panel(drawing.heat_legend(LEGEND), f"strain 0 to {scales.strain:g}", photo=False, legend=True))
    return Picture(product, tuple(panels), _flow_caption(clip, parameters, len(chosen), len(pairs), factor, unit))


def _flow_caption(
    clip: Clip, parameters: Mapping[str, Any], chosen: int, count: int, factor: int | None, unit: str
) -> str:
    height, width = clip.lazy("flow").shape[-2:]
    shown = f"{chosen} of {count} pairs" if chosen < count else counted(count, "pair")
    lengths = "pixels" if unit == "px" else "shares of the range of each published channel"
    strain = (
        f"strain in {'pixels per pixel' if unit == 'px' else 'shares of its range'}"
        if "strain" in clip
        else "no strain stored"
    )
    last = f" At magnification factor {clip.read('alphas')[factor]:g}." if factor is not None else ""
    return (
        f"{shown}, {width} × {height} px. Hue is direction and saturation length in {lengths}, darker beyond the "
        f"scale, and arrows say the same; {strain}. {describe(parameters)}.{last}"
    )


def _which(clip: Clip, row: tuple[int, ...]) -> str:
    """Return which frame or pair, and which factor, an index into the leading axes of `patches` is."""
    factor = f" at factor {clip.read('alphas')[row[0]]:g}" if len(row) > 1 and "alphas" in clip else ""
    if "pairs" in clip:
        first, second = (int(v) for v in clip.read("pairs")[row[-1]])
        return f"of {first} → {second}{factor}"
    return f"of frame {row[-1]}{factor}"


def rois_picture(
    product: str,
    clip: Clip,
    parameters: Mapping[str, Any],
    faces: Sequence[tuple[int, np.ndarray, str]],
    size: tuple[int, int],
    row: tuple[int, ...] | None = None,
    small: bool = False,
) -> Picture:
    """Show the regions on the face, and what is cut out of them.

    Args:
        product: its name.
        clip: of the `rois` product.
        parameters: of its container.
        faces: (row of `boxes`, (S, S, 3) face crop, label) of each panel.
        size: (width, height) of the image that the boxes are in.
        row: index into the leading axes of `patches`, of the patches that are shown; None shows none.
        small: the panels will be shown a quarter as large: thick lines, no names.
    """
    boxes, names = clip.read("boxes"), [str(name) for name in clip.read("names")]
    shown = names if len(names) <= NAMES_SHOWN and not small else []
    panels = []
    for index, face, label in faces:
        image = drawing.enlarge(face, 2)
        scaled = drawing.scale_boxes(boxes[index], size, (image.shape[1], image.shape[0]))
        panels.append(Panel(drawing.draw_boxes(image, scaled, shown, width=4 if small else 2), label))
    of = str(clip.attributes.get("of", "not recorded"))
    if row is not None and "patches" in clip:
        images, scale = patch_sheet.patch_images(clip.lazy("patches")[row], of)
        label = " ".join(["patches", _which(clip, row), f"({scale})" if scale else ""]).rstrip()
        panels.append(Panel(patch_sheet.sheet(images, names), label, photo=of == "frames", sheet=True))
    width, height = size
    listed = f": {', '.join(names)}" if shown else ""
    of_what = f"the array {of} of {width} × {height} px{listed}"
    caption = f"{counted(len(names), 'region')}, cut from {of_what}. {describe(parameters)}."
    if not faces:
        caption += " No product with face crops is at hand, so the regions are not drawn."
    return Picture(product, tuple(panels), caption)
