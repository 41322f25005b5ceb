"""One card per candidate: what it looks like, in words, pictures and bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mer.analysis.expressions import Expression
from mer.analysis.face_motion import MotionPictures, motion_pictures, region_names
from mer.analysis.results import Result
from mer.analysis.timeline import clock
from mer.motion.colour import flow_to_rgb
from mer.report import drawing
from mer.report.charts import Chart, bar_chart
from mer.report.product_pictures import EVENTS, Embedded, Panel, embedded

SHOWN = 60
LEGEND = 96
LEAST_SCALE = 0.5  # pixels: a fainter flow is noise and not drawn in full colour


@dataclass(frozen=True)
class Card:
    """One candidate in words, pictures and bars; `before` and `after` are the apex as filmed and enlarged."""

    title: str
    words: str
    chance: str
    facts: str
    warnings: Sequence[str]
    panels: Sequence[Embedded]
    before: Embedded | None
    after: Embedded | None
    motion: Chart | None
    classes: Chart | None
    note: str = ""


def cards_of(result: Result) -> list[Card]:
    """Return the cards of the first `SHOWN` candidates."""
    pictures = [motion_pictures(expression, result.video) for expression in result.expressions[:SHOWN]]
    scale = _scale([one for one in pictures if one is not None])
    return [_card(result, k, one, scale) for k, one in enumerate(pictures)]


def percent(value: float) -> str:
    """Return a probability as people say it; nothing is certain, and nothing impossible."""
    if value >= 0.995:
        return "> 99 %"
    return "< 1 %" if value < 0.005 else f"{100 * value:.0f} %"


def chance(one: Expression, calibrated: bool) -> str:
    """Return how likely a candidate is one of its kind, in words, or that its score does not say so."""
    if not calibrated:
        return f"score {one.confidence:.2f} (not a probability)"
    return f"{percent(one.confidence)} likely to be a {one.kind}-expression"


def span(first: float, lasts: float) -> str:
    """Return from when to when something lasts and how long, seconds that add up as they are written."""
    last = first + lasts
    return f"{clock(first)} to {clock(last)}, {round(last, 2) - round(first, 2):.2f} s"


def _scale(pictures: Sequence[MotionPictures]) -> float:
    lengths = [float(np.quantile(np.hypot(*one.flow), 0.995)) for one in pictures]
    return drawing.nice_ceiling(max([LEAST_SCALE, *lengths]))


def _card(result: Result, place: int, pictures: MotionPictures | None, scale: float) -> Card:
    one = result.expressions[place]
    times = span(result.when(one.onset), (one.offset - one.onset + 1) / result.footage.fps)
    facts = f"{times}, frames {result.number(one.onset)} to {result.number(one.offset)}, quality {one.quality:.2f}"
    shown = _panels(result, one, pictures, scale) if pictures is not None else []
    before, after = _compared(pictures) if pictures is not None and one.motion else (None, None)
    return Card(
        title=f"{place + 1} · {one.kind}-expression?" + (f" Looks {one.emotion}." if one.emotion else ""),
        words=one.words,
        chance=chance(one, result.calibrated),
        facts=facts,
        warnings=one.warnings,
        panels=shown,
        before=before,
        after=after,
        motion=_bars(_motion_rows(one), 2.0) if one.motion else None,
        note="" if pictures is None or pictures.gain or not one.motion else "The motion is too large to be enlarged.",
        classes=_bars([(name, 100 * value, percent(value)) for name, value in one.scores.items()], 100.0)
        if one.scores
        else None,
    )


def _compared(pictures: MotionPictures) -> tuple[Embedded, Embedded] | tuple[None, None]:
    if not pictures.gain:
        return None, None
    before = embedded(Panel(drawing.enlarge(pictures.frames[1], 3), "apex as filmed"))
    after = embedded(Panel(drawing.enlarge(pictures.magnified, 3), f"motion × {pictures.gain:.2g}"))
    return before, replace(after, alt=f"the same frame with its motion enlarged {pictures.gain:.2g} times")


def _panels(result: Result, one: Expression, pictures: MotionPictures, scale: float) -> list[Embedded]:
    crops = [drawing.enlarge(frame, 2) for frame in pictures.frames]
    events = zip(EVENTS, crops, strict=True)
    panels = [Panel(crop, f"{name}, {result.when(getattr(one, name)):.2f} s") for name, crop in events]
    if not one.motion:
        return [embedded(panel) for panel in panels]
    boxes = drawing.scale_boxes(pictures.boxes, (pictures.flow.shape[2], pictures.flow.shape[1]), crops[0].shape[1::-1])
    flow = drawing.enlarge(flow_to_rgb(pictures.flow, scale), 2)
    panels.append(Panel(drawing.draw_boxes(crops[1], boxes, list(region_names()), 1), "regions"))
    panels.append(Panel(drawing.draw_boxes(flow, boxes, (), 1), "motion onset → apex", photo=False))
    label = f"direction; radius {scale:g} px of the crop"
    wheel = Panel(drawing.flow_legend(LEGEND), label, photo=False, legend=True)
    return [*(embedded(panel, exact=False) for panel in panels), embedded(wheel, "colours of motion", exact=False)]


def _motion_rows(one: Expression) -> list[tuple[str, float, str]]:
    units = region_names()
    names = {region: f"{region} (AU {', '.join(map(str, units[region]))})" for region in one.motion}
    return [(names[region], 100 * value, f"{100 * value:.2f}") for region, value in one.motion.items()]


def _bars(rows: Sequence[tuple[str, float, str]], least: float) -> Chart:
    """Return bars of (label, value, printed value) on a scale from 0 to at least `least`."""
    words = ", ".join(f"{label} {printed}" for label, _, printed in rows)
    return bar_chart(rows, words, max(least, *(value for _, value, _ in rows)), 30.0, "bars")
