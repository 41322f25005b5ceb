"""The page of one video: the film, what was spotted when, what it looks like, and what a person says of it.

The page is one file without network: its scripts are in it, and a policy in its head lets nothing else run.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from mer import __version__
from mer.analysis.cards import cards_of, percent
from mer.analysis.exports import has_elan
from mer.analysis.expressions import Expression, LeftOut
from mer.analysis.face_models import FaceModels
from mer.analysis.player import Copy
from mer.analysis.recording_signals import RegionCurves
from mer.analysis.results import ELAN, INTERVALS, MEGC, OBJECTS, SCORES, Result
from mer.analysis.review import FORMAT, film_digest
from mer.analysis.timeline import clock, lanes, numbers_of, shaded
from mer.motion.face_signals import FaceSignals
from mer.report.html import digest_of, render
from mer.report.product_pictures import EVENTS
from mer.report.wording import counted

PACKAGE = "mer.analysis"
SCRIPTS = ("film.js", "timeline.js", "review.js", "page.js")
KEYS = (
    ("Space", "play, pause"),
    ("← →", "a frame back, on"),
    ("Shift + ← →", "a second back, on"),
    ("n, p", "next, previous interval"),
    ("l", "loop around the interval"),
    ("s", "slower, in turn"),
    ("a, r", "accept, reject"),
    ("e, t", "change its class, write a note"),
    ("[, ]", "begin, end an interval of your own here"),
    ("u", "undo"),
)


def page_of(result: Result, signals: FaceSignals, regions: RegionCurves, film: Copy | None) -> str:
    """Return the page of a video as HTML text; `film` is the copy that its player shows."""
    models = result.ensemble
    templates = files(PACKAGE) / "templates"
    script = "\n".join((templates / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return render(
        "analysis.html",
        PACKAGE,
        title=title(result),
        model=models.name,
        trained_on=models.training.text,
        remarks=_remarks(result),
        film=film,
        script=script,
        script_digest=digest_of(script),
        data=_data(result, signals, regions),
        lane_names=[lane["name"] for lane in lanes(result, signals, regions)],
        keys=KEYS,
        calibrated=result.calibrated,
        intervals=[_row(result, number, one) for number, one in enumerate(result.expressions, 1)],
        cards=cards_of(result),
        classes=models.classes,
        measured=any(one.motion for one in result.expressions),
        facts=_facts(result),
        gaps=[[clock(result.when(a)), clock(result.when(b)), reason] for a, b, reason in result.gaps()],
        failures=[reason for _, _, reason in result.track.failures],
        left_out=[_left_out(result, one) for one in result.left_out],
        tables=(OBJECTS, INTERVALS, SCORES, MEGC, *((ELAN,) if has_elan() else ())),
        keeps_crops=result.keeps_crops,
    )


def title(result: Result) -> str:
    """Return what was spotted, in one line; what carries a warning is not counted as the rest."""
    count = len(result.expressions)
    doubtful = sum(bool(one.warnings) for one in result.expressions)
    what = counted(count, "candidate") if count else "nothing"
    doubt = f", {doubtful if doubtful < count else 'all'} with a warning," if doubtful else ""
    return f"{result.footage.path.name}: {what}{doubt} spotted in {clock(result.footage.duration, 0.1)}"


def _data(result: Result, signals: FaceSignals, regions: RegionCurves) -> dict[str, Any]:
    """Return what the page's scripts need: times in seconds, frames as numbers."""
    film = film_digest(result.footage)
    return {
        "mer": __version__,
        "format": FORMAT,
        "film": film,
        "video": result.footage.path.name,
        "fps": result.footage.fps,
        "frames": len(result.footage),
        "numbers": numbers_of(result),
        "kinds": list(result.ensemble.kinds),
        "classes": list(result.ensemble.classes),
        "lanes": lanes(result, signals, regions),
        "shaded": shaded(result),
        "cuts": [cut / result.footage.fps for cut in result.track.cuts],
        "candidates": [_candidate(result, one) for one in result.expressions],
        "review": result.reviewed.as_object(film) if result.reviewed.changed else None,
    }


def _candidate(result: Result, one: Expression) -> dict[str, Any]:
    return {
        "type": one.kind,
        "emotion": one.emotion,
        "doubtful": bool(one.warnings),
        "height": round(one.confidence, 4),
        "frames": [one.onset, one.apex, one.offset],
        **{name: result.number(getattr(one, name)) for name in EVENTS},
    }


def _remarks(result: Result) -> list[str]:
    remarks = list(result.footage.remarks)
    hidden = sum(last - first + 1 for first, last, _ in result.gaps())
    if hidden:
        share = f"{100 * hidden / len(result.footage):.0f} %"
        remarks.append(f"no face, or no picture, in {share} of the frames (grey in the timeline)")
    said = result.reviewed
    if said.changed:
        by = f" by {said.coder}" if said.coder else ""
        done = sum(one is not None and bool(one.verdict) for one in said.judged)
        remarks.append(
            f"reviewed{by}: {done} of {counted(len(said.judged), 'candidate')} judged, {len(said.own)} added"
        )
    if said.lost:
        remarks.append(f"{counted(said.lost, 'verdict')} of the review fit no candidate of this run and were left out")
    return remarks


def _row(result: Result, number: int, one: Expression) -> Sequence[object]:
    times = " · ".join(f"{result.when(getattr(one, name)):.2f}" for name in EVENTS)
    undecided = "no decision" if one.scores else "–"
    name = f"{one.emotion}, {percent(one.scores[one.emotion])}" if one.emotion else undecided
    sure = percent(one.confidence) if result.calibrated else f"{one.confidence:.2f}"
    return number, one.kind, times, name, sure, f"{one.quality:.2f}", "; ".join(one.warnings)


def _left_out(result: Result, one: LeftOut) -> list[object]:
    frames = f"{result.number(one.onset)} to {result.number(one.offset)}"
    return [one.kind, clock(result.when(one.onset)), clock(result.when(one.offset)), frames, one.reason]


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
        "looked at": f"{models.training.fps:g} pictures per second, or as many as there are",
    }
    if isinstance(models, FaceModels):
        told = f"{models.threshold:.2f}, for {models.alarms_per_minute:g} false alarms a minute"
        own = f" of {models.negative_minutes:.1f} minutes of your own footage" if models.negatives is not None else ""
        return facts | {"threshold": told + own}
    for kind in models.kinds if models.protocol == "fixed" else ():
        rule = models.decoding(kind, footage.fps)
        span = f"{rule.shortest / footage.fps:.2f} to {rule.longest / footage.fps:.2f} s"
        facts[f"{kind}-expressions"] = f"threshold {rule.threshold:.3f}, lengths of {span}"
    return facts
