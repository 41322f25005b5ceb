"""Records of benches on the site's page of what was measured, as a hook of MkDocs (`mkdocs.yml`).

A record is `docs/benchmarks/<name>.json`, written by `scripts/bench_record.py`: the command, the day, the machine, and
the rows that were printed. A line of `docs/benchmarks.md` that is nothing but a link to a record becomes its plots, its
tables, and how it was taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
MARK = re.compile(r"^\[([^\]]+)\]\(benchmarks/([\w-]+)\.json\)$", re.M)
#: Headings of fields that are not their names with blanks.
HEADINGS = {
    "uf1": "UF1", "uf1_low": "UF1 from", "uf1_high": "UF1 to", "uar": "UAR", "uar_low": "UAR from",
    "uar_high": "UAR to", "peak_mib": "peak MiB", "cpu_seconds": "CPU s", "wall_seconds": "wall s",
    "wall_ratio": "times the peer's wall", "cpu_ratio": "times the peer's CPU", "ratio": "times the peer",
    "speed_ratio": "speed, times TV-L1", "tvl1_pairs": "TV-L1 pairs", "loso_hours": "LOSO hours",
    "epoch_seconds": "s an epoch", "clips_per_second": "clips/s", "fold_epochs_per_second": "fold-epochs/s",
    "accuracy": "right", "small_card": "a card of 10 TFLOP/s takes", "large_card": "a card of 400 TFLOP/s takes",
    "following_cpu_seconds": "following, CPU s", "motion_cpu_seconds": "motion, CPU s",
    "copy_cpu_seconds": "copying, CPU s", "one_order": "UF1, one order", "mb": "MB",
    "install_seconds": "installing, CPU s", "import_seconds": "importing, CPU s", "told": "",
}  # fmt: skip
#: A table of more rows is folded.
LONG = 12
Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Bars:
    """A plot of one bar a row, named by some fields, with the ends of an interval where rows have one."""

    names: tuple[str, ...]
    value: str
    caption: str
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    logarithmic: bool = False


#: How the site draws a record; one that is not named is a table.
PLOTS = {
    "clip": Bars(("stage", "method"), "cpu_seconds", "CPU-seconds of every stage for one clip.", logarithmic=True),
    "demo": Bars(("experiment",), "uf1", "Pooled UF1 of the demo with the 95 % interval over people."),
    "demo-shuffled": Bars(("experiment",), "uf1", "Pooled UF1 with shuffled labels, plus and minus one deviation."),
    "recognition": Bars(
        ("what",), "uf1", "UF1 with its 95 % interval.", {"part": ("level", "learning curve", "input")}
    ),
    "training": Bars(("run", "method"), "wall_seconds", "Seconds on the clock; shorter is better.", logarithmic=True),
    "systems": Bars(
        ("model", "precision"), "loso_hours", "Hours for 68 folds one after the other; shorter is better.", {}, True
    ),
    "feeding": Bars(
        ("system", "path"), "clips_per_second", "Clips a second that are supplied; longer is better.", {}, True
    ),
}  # fmt: skip
#: Of the flow methods of `stages`, the cases that the table has beside the plots; the record has all.
FLOW_CASES = ("moving, noise 0", "moving, noise 2", "still, noise 0", "still, noise 2", "moving, flicker of 3 %",
              "moving, light drifting by 4 %", "moving, head drift", "still, head drift")  # fmt: skip


def on_files(files: Any, config: Any) -> Any:
    """Add the plots."""
    from mkdocs.structure.files import File

    for path, content in plots().items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put the records onto their page."""
    return with_records(markdown) if page.file.src_uri == "benchmarks.md" else markdown


def record(name: str) -> dict[str, Any]:
    """Return a record by its name."""
    return dict(json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8")))


def names() -> list[str]:
    """Return the names of all records."""
    return sorted(path.stem for path in RECORDS.glob("*.json"))


def with_records(markdown: str) -> str:
    """Return the page with every line that links to a record, and nothing else, replaced by the record."""
    return MARK.sub(lambda match: "\n".join(_shown(match[1], match[2])), markdown)


def plots() -> dict[str, bytes]:
    """Return all plots of records by their path below docs/."""
    made = {f"benchmarks/{name}.svg": _bars(PLOTS[name], record(name)["rows"]) for name in names() if name in PLOTS}
    if "stages" in names():
        from mer.bench.measure import Row
        from mer.bench.plots import draw_plots

        drawn = draw_plots([Row(**row) for row in record("stages")["rows"]])
        made |= {f"benchmarks/stages-{name}.png": picture for name, picture, _ in drawn}
    return made


def _shown(title: str, name: str) -> Iterator[str]:
    taken = record(name)
    if name == "stages":
        from mer.bench.plots import PLOTS as OF_STAGES

        for plot, drawn in OF_STAGES.items():
            yield from _pictured(drawn.caption, f"stages-{plot}.png")
        yield from _stages(taken["rows"])
    else:
        if name in PLOTS:
            yield from _pictured(PLOTS[name].caption, f"{name}.svg")
        yield from table(taken["rows"])
    if note := taken.get("note"):
        yield f"\n{note}"
    version = f" with mer {taken['mer']}" if taken["mer"] else ""
    copied = "; copied from what it printed" if taken.get("typed") else ""
    yield f"\n`{taken['command']}`, {taken['taken']}{version}, on {taken['machine']}{copied}."
    yield f"[{title}, as JSON](benchmarks/{name}.json).\n"


def _pictured(caption: str, file: str) -> Iterator[str]:
    yield f"![{caption}](benchmarks/{file})\n\n*{caption}*\n"


def _stages(rows: Rows) -> Iterator[str]:
    """Yield a table per stage; the flow methods by their cases, side by side."""
    for stage in dict.fromkeys(row["stage"] for row in rows):
        yield f"\n**{stage}**\n"
        of_stage = [row for row in rows if row["stage"] == stage]
        if stage != "flow":
            yield from table([{key: value for key, value in row.items() if key != "stage"} for row in of_stage])
            continue
        side_by_side: dict[str, dict[str, Any]] = {}
        for row in of_stage:
            method = side_by_side.setdefault(row["method"], {"method": row["method"], "speed_ratio": None})
            for case in FLOW_CASES:
                if row["case"] == case or re.fullmatch(rf"{re.escape(case)}(, noise 1)?, \d+ pairs", row["case"]):
                    method[case] = row["error"]
                    if case == FLOW_CASES[0]:
                        method |= {key: row[key] for key in ("speed_ratio", "cpu_seconds", "peak_mib")}
        yield "Mean end-point error in pixels.\n"
        yield from table([row for row in side_by_side.values() if len(row) > 3])


def table(rows: Rows) -> Iterator[str]:
    """Yield rows as a table, folded where it is long, without the fields that no row has."""
    fields = [key for key in dict.fromkeys(key for row in rows for key in row)]
    fields = [key for key in fields if any(row.get(key) not in (None, "") for row in rows)]
    numeric = {key for key in fields if not any(isinstance(row.get(key), str) for row in rows)}
    columns = [written([row.get(key) for row in rows]) for key in fields]
    if len(rows) > LONG:
        yield f"<details markdown><summary>{len(rows)} rows</summary>\n"
    yield f"| {' | '.join(heading(key) for key in fields)} |"
    yield f"|{'|'.join('---:' if key in numeric else '---' for key in fields)}|"
    yield from (f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True))
    if len(rows) > LONG:
        yield "\n</details>"


def heading(key: str) -> str:
    """Return the heading of a field."""
    return HEADINGS.get(key, key.replace("_", " "))


def written(values: Sequence[Any]) -> list[str]:
    """Return the cells of a column: three digits of a number, in a column of small ones all to the same place."""
    small = [f"{value:.3g}" for value in values if isinstance(value, float)]
    places = max((len(text.partition(".")[2]) for text in small), default=0)
    alike = all(abs(value) < 10 for value in values if isinstance(value, float))

    def cell(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{places}f}" if alike else f"{value:.3g}"
        return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")

    return [cell(value) for value in values]


def _bars(plot: Bars, rows: Rows) -> bytes:
    """Return a plot as SVG, the same bytes of the same rows."""
    import matplotlib
    from matplotlib.figure import Figure

    chosen = [row for row in rows if all(row[key] in values for key, values in plot.where.items())][::-1]
    values = [row[plot.value] for row in chosen]
    with matplotlib.rc_context({"svg.hashsalt": "mer"}):
        figure = Figure(figsize=(6.5, 0.9 + 0.28 * len(chosen)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(
            range(len(chosen)), values, height=0.7, color="#4c78a8", xerr=_ends(plot.value, chosen), ecolor="#333"
        )
        axes.set_yticks(
            range(len(chosen)), [", ".join(str(row[key]) for key in plot.names if row[key]) for row in chosen]
        )
        axes.set(xlabel=heading(plot.value), xscale="log" if plot.logarithmic else "linear")
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
        buffer = BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _ends(value: str, rows: Rows) -> Any:
    """Return how far the interval reaches to the left and to the right of every value, or None."""
    if all("deviation" in row for row in rows):
        return [row["deviation"] for row in rows]
    if all(row.get(f"{value}_low") is not None for row in rows):
        low, high = ([abs(row[f"{value}_{end}"] - row[value]) for row in rows] for end in ("low", "high"))
        return [low, high]
    return None
