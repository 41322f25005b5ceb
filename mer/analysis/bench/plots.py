"""Plots of a spotting bench: hits by amplitude, hits against false alarms, causes, reliability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mer.analysis.bench.causes import CAUSES
from mer.bench.plots import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANGE = (0.05, 30.0)  # false alarms a minute that are shown
_MARKERS = "osD^vP"
#: The `as_object` of a spotter, by its name.
Told = Mapping[str, Mapping[str, Any]]


def draw_plots(outcome: Mapping[str, Any]) -> list[tuple[str, bytes, str]]:
    """Return name, PNG and caption of every plot of an outcome (`mer.analysis.bench.spotting.Outcome.as_object`).

    Real and simulated people have plots of their own.
    """
    casts = [cast for cast in ("real", "simulated") if cast in outcome]
    return [plot for cast in casts for plot in _of_cast(outcome[cast]["spotters"], cast)]


def _of_cast(spotters: Told, cast: str) -> list[tuple[str, bytes, str]]:
    people = f"{cast.capitalize()} people. "
    plots: list[tuple[str, Callable[[Axes], None], str]] = [
        ("amplitude", lambda axes: _amplitude(axes, spotters),
         "Implants found by their largest displacement; counts beside the points."),
        ("sweep", lambda axes: _sweep(axes, spotters),
         "Implants found against false alarms a minute, as the threshold falls; the mark is the threshold in use."),
        ("causes", lambda axes: _causes(axes, spotters), "False alarms a minute by cause; counts above the bars."),
        ("reliability-spotting", lambda axes: _reliability(axes, spotters, "spotting"),
         "Share of candidates that are implants against their confidence, in bins of equal mass; counts beside."),
        ("reliability-naming", lambda axes: _reliability(axes, spotters, "naming"),
         "Share of hits named right against the probability of the class, in bins of equal mass; counts beside."),
    ]  # fmt: skip
    return [(f"{cast}-{name}", png(draw), people + caption) for name, draw, caption in plots]


def _amplitude(axes: Axes, spotters: Told) -> None:
    for k, (name, told) in enumerate(spotters.items()):
        points = [(100 * float(a), *map(int, text.split("/"))) for a, text in told["found"].items()]
        shown = [(a, part / whole, f"{part}/{whole}") for a, part, whole in points if whole]
        axes.plot([a for a, _, _ in shown], [y for _, y, _ in shown], marker=_MARKERS[k % 6], label=name)
        for a, y, text in shown:
            axes.annotate(text, (a, y), (5, 6 if k % 2 == 0 else -13), textcoords="offset points", fontsize=8)
    axes.set(xlabel="largest displacement, % of the distance between the eyes", ylabel="found", ylim=(-0.03, 1.08))


def _sweep(axes: Axes, spotters: Told) -> None:
    for k, (name, told) in enumerate(spotters.items()):
        points = told["sweep"]
        if not points:
            continue
        line = axes.plot([max(p["alarms"], RANGE[0]) for p in points], [p["found"] for p in points], label=name)
        used = [p for p in points if p["threshold"] >= told["threshold"]] or points[:1]
        place = (max(used[-1]["alarms"], RANGE[0]), used[-1]["found"])
        axes.plot(*place, marker=_MARKERS[k % 6], color=line[0].get_color(), markersize=9)
    axes.set(xscale="log", xlim=RANGE, ylim=(-0.03, 1.03), ylabel="implants found",
             xlabel=f"false alarms a minute ({RANGE[0]:g} stands for fewer)")  # fmt: skip


def _causes(axes: Axes, spotters: Told) -> None:
    width = 0.8 / max(len(spotters), 1)
    for k, (name, told) in enumerate(spotters.items()):
        heights = [told["causes"][cause]["a_minute"] for cause in CAUSES]
        places = [n + (k - (len(spotters) - 1) / 2) * width for n in range(len(CAUSES))]
        bars = axes.bar(places, heights, width, label=name)
        axes.bar_label(bars, [str(told["causes"][cause]["alarms"]) for cause in CAUSES], fontsize=8)
    axes.set(ylabel="false alarms a minute")
    axes.set_xticks(range(len(CAUSES)), CAUSES)


def _reliability(axes: Axes, spotters: Told, what: str) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    for k, (name, told) in enumerate(spotters.items()):
        made = told["reliability"][what]
        if not made["cases"]:
            continue
        points = [(one["probability"], one["true"]) for one in made["bins"]]
        label = f"{name}: error {made['error']:.3f}, {made['cases']} cases"
        axes.plot(*zip(*points, strict=True), marker=_MARKERS[k % 6], label=label)
        for one, place in zip(made["bins"], points, strict=True):
            axes.annotate(str(one["cases"]), place, (5, 5), textcoords="offset points", fontsize=8)
    axes.set(xlabel="probability told", ylabel="share that came true", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
