"""The page of one video: what was found when, what it looks like, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from mer.analysis.find import Expression
from mer.analysis.motion import GAIN, Look, look, region_names
from mer.analysis.parts import Part
from mer.analysis.tables import Result
from mer.analysis.timeline import clock, timeline
from mer.motion.colour import flow_to_rgb
from mer.report import figures
from mer.report.charts import WIDTH
from mer.report.markup import Markup, counted, escape, folded, join, table, tag

SHOWN = 60
LEGEND = 96
LEAST_SCALE = 0.5  # pixels: a fainter flow is noise and not drawn in full colour
HOW = (
    "The curve is the smoothed spotting score, the dashed line the threshold that a peak must exceed. A peak "
    "that lasts longer than the expressions of the training is another kind of movement and is left out. Coloured "
    "bands are intervals, numbered as below; times are from the first frame."
)
MOTION = (
    "Mean length of the motion from onset to apex in each region, without that of the whole head, in hundredths of the "
    "distance between the eyes. The numbers are action units that move skin there; they are not detected one by one."
)
CAUTION = (
    "A spotted interval is a movement that resembles those the model was trained on. It is not proof of a feeling, and "
    "speech, blinks and turns of the head can be taken for expressions."
)


def render(result: Result, parts: Sequence[Part], folder: Path) -> str:
    """Return the page as HTML text.

    Args:
        result: of the video.
        parts: of the video.
        folder: their containers.
    """
    looks = [look(expression, parts, folder) for expression in result.expressions[:SHOWN]]
    scale = _scale([one for one in looks if one is not None])
    cards = [_card(result, k, one, scale) for k, one in enumerate(looks)]
    sections = {
        "Timeline": join([timeline(result), _keys(), tag("p", HOW, class_="grey")]),
        "Intervals": join([_table(result), *cards, *_notes(result)]),
        "Video and model": join([_facts(result), tag("p", CAUTION, class_="grey")]),
    }
    blocks = [tag("section", tag("h2", name), body, id=_id(name)) for name, body in sections.items()]
    package, own = files("mer.report"), files("mer.analysis")
    style = "".join(p.joinpath("page.css").read_text(encoding="utf-8") for p in (package, own))
    return Template(package.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title(result)),
        style=style,
        lead=_lead(result),
        links=join(tag("a", name, href=f"#{_id(name)}") for name in sections),
        sections=join(blocks, "\n"),
    )


def _id(name: str) -> str:
    return name.lower().replace(" ", "-")


def title(result: Result) -> str:
    """Return what was found, in one line."""
    count = len(result.expressions)
    found = counted(count, "interval") if count else "nothing"
    return f"{result.footage.path.name}: {found} spotted in {clock(result.footage.duration, 0.1)}"


def _lead(result: Result) -> Markup:
    models = result.models
    lines = [tag("p", f"Spotted by {models.name}. Trained on {models.training.text}.")]
    if "simulated" in models.training.text:
        lines.append(tag("p", "On real faces nobody has measured how often it is right.", class_="warning"))
    remarks = list(result.footage.remarks)
    hidden = sum(b - a + 1 for a, b, _ in result.gaps())
    if hidden:
        share = f"{100 * hidden / len(result.footage):.0f} %"
        remarks.append(f"no face, or no picture, in {share} of the frames (grey in the timeline)")
    if result.track.cuts:
        remarks.append(f"{counted(len(result.track.cuts), 'cut')}: nothing is spotted across one")
    if max(result.track.faces.values(), default=0) > 1:
        remarks.append("several faces were seen: the largest and most central one is followed")
    if remarks:
        lines.append(tag("ul", *(tag("li", remark) for remark in remarks)))
    return tag("div", *lines, class_="answers")


def _keys() -> Markup:
    names = {"found": "spotted", "doubtful": "spotted, with a warning", "gap": "no face or no picture"}
    items = [tag("li", tag("span", class_=f"key {key}"), text) for key, text in names.items()]
    return tag("ul", *items, class_="facts")


def _table(result: Result) -> Markup:
    if not result.expressions:
        return tag("p", "Nothing was spotted: no peak of the score is above the threshold.")
    rows = []
    for number, found in enumerate(result.expressions, 1):
        link = tag("a", str(number), href=f"#i{number}") if number <= SHOWN else str(number)
        events = [found.onset, found.apex, found.offset]
        times = " · ".join(f"{result.when(frame):.2f}" for frame in events)
        numbers = " · ".join(str(result.number(frame)) for frame in events)
        name = f"{found.emotion} {found.scores[found.emotion]:.2f}" if found.scores else "–"
        warned = tag("span", "; ".join(found.warnings), class_="note") if found.warnings else ""
        rows.append([link, found.kind, times, numbers, name, f"{found.confidence:.2f}", f"{found.quality:.2f}", warned])
    head = ["", "type", "onset · apex · offset, s", "frames", "class", "score", "quality", "warnings"]
    return table(head, rows, numbers=(5, 6), class_="intervals")


def _notes(result: Result) -> list[Markup]:
    texts = [MOTION] if any(one.motion for one in result.expressions) else []
    if len(result.expressions) > SHOWN:
        texts.append(f"Pictures of the first {SHOWN} intervals are shown.")
    return [tag("p", text, class_="grey") for text in texts]


def _scale(looks: Sequence[Look]) -> float:
    lengths = [float(np.quantile(np.hypot(*one.flow), 0.995)) for one in looks]
    return figures.nice_ceiling(max([LEAST_SCALE, *lengths]))


def _card(result: Result, place: int, look_: Look | None, scale: float) -> Markup:
    found = result.expressions[place]
    head = f"{place + 1} · {found.kind}" + (f" · {found.emotion}" if found.emotion else "")
    first, last = result.when(found.onset), result.when(found.offset)
    lasts = (found.offset - found.onset + 1) / result.footage.fps
    facts = (
        f"{clock(first)} to {clock(last)}, {lasts:.2f} s, frames {result.number(found.onset)} to "
        f"{result.number(found.offset)}, score {found.confidence:.2f}, quality {found.quality:.2f}"
    )
    parts: list[Markup | None] = [tag("h3", head), tag("p", facts, class_="grey")]
    parts += [tag("p", warning.capitalize() + ".", class_="warning") for warning in found.warnings]
    if look_ is not None:
        parts.append(tag("div", *_panels(result, found, look_, scale), class_="panels"))
    bars = tag("div", tag("h4", "Motion by region"), _motion_bars(found)) if found.motion else None
    scores = tag("div", tag("h4", "Class"), _bars(_classes(found), 1.0)) if found.scores else None
    parts.append(tag("div", bars, scores, class_="columns"))
    return tag("article", *parts, id=f"i{place + 1}")


def _panels(result: Result, found: Expression, look_: Look, scale: float) -> list[Markup]:
    crops = [figures.enlarge(frame, 2) for frame in look_.frames]
    boxes = figures.scale_boxes(look_.boxes, (look_.flow.shape[2], look_.flow.shape[1]), crops[0].shape[1::-1])
    flow = figures.enlarge(flow_to_rgb(look_.flow, scale), 2)
    events = zip(("onset", "apex", "offset"), (found.onset, found.apex, found.offset), crops, strict=True)
    shown = [(crop, f"{name}, {result.when(frame):.2f} s", True) for name, frame, crop in events]
    if not found.motion:
        return [_panel(*one) for one in shown]
    shown.append((figures.enlarge(look_.magnified, 2), f"apex, motion × {GAIN:g}", True))
    shown.append((figures.draw_boxes(crops[1], boxes, list(region_names()), 1), "regions", True))
    shown.append((figures.draw_boxes(flow, boxes, (), 1), "motion onset → apex", False))
    panels = [_panel(*one) for one in shown]
    wheel = tag(
        "img", src=figures.data_uri(figures.flow_legend(LEGEND), "png"), alt="colours of motion", class_="round"
    )
    return [*panels, tag("div", wheel, tag("span", f"direction; radius {scale:g} px of the crop"), class_="legend")]


def _panel(image: np.ndarray, label: str, photo: bool) -> Markup:
    source = figures.data_uri(image, "jpeg" if photo else "png")
    return tag("div", tag("img", src=source, alt=label), tag("span", label))


def _motion_bars(found: Expression) -> Markup:
    units = region_names()
    rows = [
        (f"{name} (AU {', '.join(map(str, units[name]))})", 100 * value, f"{100 * value:.2f}")
        for name, value in found.motion.items()
    ]
    return _bars(rows, max(2.0, *(value for _, value, _ in rows)))


def _classes(found: Expression) -> list[tuple[str, float, str]]:
    return [(name, value, f"{value:.2f}") for name, value in found.scores.items()]


def _bars(rows: Sequence[tuple[str, float, str]], top: float) -> Markup:
    """Return bars of (label, value, printed value) on a scale from 0 to `top`."""
    left, width, step = 250.0, WIDTH - 330.0, 30.0
    shapes = []
    for index, (label, value, printed) in enumerate(rows):
        y, length = step * index + 4, max(width * min(value / top, 1.0), 1.0)
        shapes += [
            tag("text", label, x=left - 12, y=y + 16, class_="end large"),
            tag("rect", x=left, y=y, width=length, height=step - 9, class_="bar"),
            tag("text", printed, x=left + length + 8, y=y + 16, class_="tick large"),
        ]
    title_ = ", ".join(f"{label} {printed}" for label, _, printed in rows)
    return tag("svg", *shapes, viewBox=f"0 0 {WIDTH} {step * len(rows) + 6:g}", role="img", aria_label=title_,
               class_="chart bars")  # fmt: skip


def _facts(result: Result) -> Markup:
    footage, models = result.footage, result.models
    lines = {
        "picture": f"{footage.size[0]} × {footage.size[1]} pixels",
        "frames": f"{len(footage)} at {footage.fps:.4g} per second, {clock(footage.duration, 0.1)}",
        "model": models.name,
        "trained on": models.training.text,
        "protocol": models.protocol,
        "frame rate of training": f"{models.training.fps:g} per second; widths are taken to that of the video",
    }
    for kind in models.kinds:
        rule = models.decoding(kind, footage.fps)
        if models.protocol == "fixed":
            span = f"{rule.shortest / footage.fps:.2f} to {rule.longest / footage.fps:.2f} s"
            lines[f"{kind}-expressions"] = f"threshold {rule.threshold:.3f}, lengths of {span}"
    facts = table(("", ""), [(tag("b", name), text) for name, text in lines.items()])
    gaps = [[clock(result.when(a)), clock(result.when(b)), reason] for a, b, reason in result.gaps()]
    listed = folded(counted(len(gaps), "gap"), table(("from", "to", "why"), gaps)) if gaps else None
    lost = [tag("p", reason, class_="missing") for _, _, reason in result.track.failures]
    return join([facts, listed, *lost])
