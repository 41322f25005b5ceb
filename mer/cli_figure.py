"""`mer figure`: a figure for a paper, from a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mer.notebook.run import Run

KINDS = ("confusion", "intervals", "flow", "clip", "curves")


def figure(
    kind: Annotated[str, typer.Argument(help="confusion, intervals, flow, clip or curves.")],
    experiment: Annotated[
        list[str] | None, typer.Option(help="Of confusion and curves: which; of intervals: only these.")
    ] = None,
    clip: Annotated[str, typer.Option(help="Of flow and clip: the clip's sample_id.")] = "",
    dataset: Annotated[str, typer.Option(help="Of flow and clip: its dataset in the configuration.")] = "",
    only: Annotated[list[str] | None, typer.Option(help="Of clip and flow: only these products or stages.")] = None,
    columns: Annotated[int, typer.Option(help="Columns of the paper that it is wide.", min=1, max=2)] = 1,
    kind_of_file: Annotated[str, typer.Option("--format", help="pdf, svg or png, unless --output says.")] = "pdf",
    out: Annotated[Path | None, typer.Option("--output", help="The file to write; KIND.FORMAT if absent.")] = None,
    config: Annotated[list[Path] | None, typer.Option(help="Configuration files laid over each other.")] = None,
) -> None:
    """Draw a figure for a paper, such as: mer figure intervals --format pdf --columns 2."""
    from mer.core.errors import ConfigError
    from mer.notebook.run import open_run
    from mer.report.figures import save

    if kind not in KINDS:
        raise ConfigError("mer figure", f"knows no {kind!r}", ", ".join(KINDS))
    run = open_run(*config or ())
    if kind in ("flow", "clip"):
        drawn = _of_clip(run, kind, clip, dataset, only or (), columns)
    else:
        drawn = _of_experiments(run, kind, experiment or (), columns)
    typer.echo(f"wrote {save(drawn, out or Path(f'{kind}.{kind_of_file}'))}")


def _of_clip(run: Run, kind: str, clip: str, dataset: str, only: list[str] | tuple[()], columns: int) -> Figure:
    from mer.core.errors import ConfigError
    from mer.report import figures
    from mer.report.clip_pictures import ClipReader

    if not clip:
        raise ConfigError(f"mer figure {kind}", "is not told of which clip", "--clip and --dataset")
    found = run.clip(clip, dataset or None)
    with ClipReader(found.paths, found.sample_id, found.sources) as reader:
        return figures.clip(reader, columns, only or (("flow",) if kind == "flow" else ()))


def _of_experiments(run: Run, kind: str, names: list[str] | tuple[()], columns: int) -> Figure:
    from mer.core.errors import ConfigError
    from mer.report import figures
    from mer.report.courses import read_courses
    from mer.report.details import Details
    from mer.report.scores import score_rows

    if kind == "intervals":
        scored = [run.scored(name) for name in names or run.experiments]
        return figures.intervals([row for one in scored for row in score_rows(one)], columns)
    if len(names) != 1:
        found = f"is told of {len(names) or 'no'} experiments"
        raise ConfigError(f"mer figure {kind}", found, f"--experiment with one of {', '.join(run.experiments)}")
    scored_one = run.scored(names[0])
    if kind == "confusion":
        return figures.confusion(Details(scored_one), columns)
    courses = read_courses(scored_one.inputs.models)
    if not courses.losses:
        found = f"{names[0]} was not trained in epochs, or before losses were kept"
        raise ConfigError("mer figure curves", found, "an experiment with losses", "train it again, or choose another")
    return figures.curves(courses, columns)
