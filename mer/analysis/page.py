"""The page of one video: what was spotted when, what it looks like, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer import __version__
from mer.analysis.expressions import Expression, LeftOut
from mer.analysis.face_motion import MotionPictures, motion_pictures, region_names
from mer.analysis.results import TABLES, Result
from mer.analysis.timeline import clock, timeline
from mer.motion.colour import flow_to_rgb
from mer.report import drawing
from mer.report.charts import Chart, bar_chart
from mer.report.html import render
from mer.report.product_pictures import EVENTS, Embedded, Panel, embedded
from mer.report.wording import counted

SHOWN = 60
LEGEND = 96
LEAST_SCALE = 0.5  # pixels: a fainter flow is noise and not drawn in full colour


@dataclass(frozen=True)
class Card:
    """One interval in pictures and bars."""

    title: str
    facts: str
    warnings: Sequence[str]
    panels: Sequence[Embedded]
    motion: Chart | None
    classes: Chart | None
    note: str = ""


def page_of(result: Result) -> str:
    """Return the page of a video as HTML text."""
    models = result.ensemble
    shown = result.expressions[:SHOWN]
    pictures = [motion_pictures(expression, result.video) for expression in shown]
    scale = _scale([one for one in pictures if one is not None])
    cards = [_card(result, k, one, scale) for k, one in enumerate(pictures)]
    return render(
        "analysis.html",
        "mer.analysis",
        title=title(result),
        model=models.name,
        trained_on=models.training.text,
        remarks=_remarks(result),
        timelines=[timeline(result, curve) for curve in result.curves],
        intervals=[_row(result, number, one) for number, one in enumerate(result.expressions, 1)],
        cards=cards,
        measured=any(one.motion for one in result.expressions),
        facts=_facts(result),
        gaps=[[clock(result.when(a)), clock(result.when(b)), reason] for a, b, reason in result.gaps()],
        failures=[reason for _, _, reason in result.track.failures],
        left_out=[_left_out(result, one) for one in result.left_out],
        tables=TABLES,
        keeps_crops=result.keeps_crops,
    )


def title(result: Result) -> str:
    """Return what was spotted, in one line; what carries a warning is not counted as the rest."""
    count = len(result.expressions)
    doubtful = sum(bool(one.warnings) for one in result.expressions)
    what = counted(count, "candidate") if count else "nothing"
    doubt = f", {doubtful if doubtful < count else 'all'} with a warning," if doubtful else ""
    return f"{result.footage.path.name}: {what}{doubt} spotted in {clock(result.footage.duration, 0.1)}"


def _remarks(result: Result) -> list[str]:
    remarks = list(result.footage.remarks)
    hidden = sum(last - first + 1 for first, last, _ in result.gaps())
    if hidden:
        share = f"{100 * hidden / len(result.footage):.0f} %"
        remarks.append(f"no face, or no picture, in {share} of the frames (grey in the timeline)")
    if result.track.cuts:
        remarks.append(f"{counted(len(result.track.cuts), 'cut')}: nothing is spotted across one")
    if max(result.track.faces.values(), default=0) > 1:
        remarks.append("several faces were seen: the largest and most central one is followed")
    return remarks


def _row(result: Result, number: int, one: Expression) -> list[object]:
    frames = [getattr(one, name) for name in EVENTS]
    times = " · ".join(f"{result.when(frame):.2f}" for frame in frames)
    numbers = " · ".join(str(result.number(frame)) for frame in frames)
    name = f"{one.emotion} {one.scores[one.emotion]:.2f}" if one.scores else "–"
    warnings = "; ".join(one.warnings)
    return [number, one.kind, times, numbers, name, f"{one.confidence:.2f}", f"{one.quality:.2f}", warnings]


def _left_out(result: Result, one: LeftOut) -> list[object]:
    frames = f"{result.number(one.onset)} to {result.number(one.offset)}"
    return [one.kind, clock(result.when(one.onset)), clock(result.when(one.offset)), frames, one.reason]


def _scale(pictures: Sequence[MotionPictures]) -> float:
    lengths = [float(np.quantile(np.hypot(*one.flow), 0.995)) for one in pictures]
    return drawing.nice_ceiling(max([LEAST_SCALE, *lengths]))


def _card(result: Result, place: int, pictures: MotionPictures | None, scale: float) -> Card:
    one = result.expressions[place]
    lasts = (one.offset - one.onset + 1) / result.footage.fps
    # To the end of the last frame, so that the times add up.
    first, last = result.when(one.onset), result.when(one.onset) + lasts
    facts = (
        f"{clock(first)} to {clock(last)}, {lasts:.2f} s, frames {result.number(one.onset)} to "
        f"{result.number(one.offset)}, score {one.confidence:.2f}, quality {one.quality:.2f}"
    )
    return Card(
        title=f"{place + 1} · {one.kind}" + (f", looks like {one.emotion}" if one.emotion else ""),
        facts=facts,
        warnings=one.warnings,
        panels=_panels(result, one, pictures, scale) if pictures is not None else [],
        motion=_bars(_motion_rows(one), 2.0) if one.motion else None,
        note="" if pictures is None or pictures.gain or not one.motion else "The motion is too large to be enlarged.",
        classes=_bars([(name, value, f"{value:.2f}") for name, value in one.scores.items()], 1.0)
        if one.scores
        else None,
    )


def _panels(result: Result, one: Expression, pictures: MotionPictures, scale: float) -> list[Embedded]:
    crops = [drawing.enlarge(frame, 2) for frame in pictures.frames]
    events = zip(EVENTS, crops, strict=True)
    panels = [Panel(crop, f"{name}, {result.when(getattr(one, name)):.2f} s") for name, crop in events]
    if not one.motion:
        return [embedded(panel) for panel in panels]
    boxes = drawing.scale_boxes(pictures.boxes, (pictures.flow.shape[2], pictures.flow.shape[1]), crops[0].shape[1::-1])
    flow = drawing.enlarge(flow_to_rgb(pictures.flow, scale), 2)
    if pictures.gain:
        panels.append(Panel(drawing.enlarge(pictures.magnified, 2), f"apex, motion × {pictures.gain:.2g}"))
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


def _facts(result: Result) -> dict[str, str]:
    footage, models = result.footage, result.ensemble
    facts = {
        "picture": f"{footage.size[0]} × {footage.size[1]} pixels",
        "frames": f"{len(footage)} at {footage.fps:.4g} per second, {clock(footage.duration, 0.1)}",
        "model": models.name,
        "trained on": models.training.text,
        "protocol": models.protocol,
        "made by": f"mer {__version__}: {result.command}",
        "digest of the video": footage.digest,
        "frame rate of training": f"{models.training.fps:g} per second; widths are taken to that of the video",
    }
    for kind in models.kinds if models.protocol == "fixed" else ():
        rule = models.decoding(kind, footage.fps)
        span = f"{rule.shortest / footage.fps:.2f} to {rule.longest / footage.fps:.2f} s"
        facts[f"{kind}-expressions"] = f"threshold {rule.threshold:.3f}, lengths of {span}"
    return facts
