"""What looks at, takes from or tidies a run's results: `mer show`, `export`, `figure`, `verify` and `clean`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mer.cli_options import Configs, Json, clips, configured, example, note, one_of, products
from mer.core.exits import Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mer.notebook.run import Run

KINDS = ("confusion", "intervals", "flow", "clip", "curves")


def add_to(app: typer.Typer) -> None:
    """Add the commands to a program."""
    app.command(epilog=example("mer show sub01/EP02_01f --dataset casme2 --output clip.png"))(show)
    app.command(
        epilog=example(
            "mer figure intervals --format pdf --columns 2", "mer figure confusion --experiment ststnet --format svg"
        )
    )(figure)
    app.command(
        epilog=example("mer export flow/apex", "mer export align/face224 --format mp4 --dataset casme2 --output films")
    )(export)
    app.command(epilog=example("mer verify", "mer verify results --json"))(verify)
    app.command(epilog=example("mer clean --stale", "mer clean --stale --remove"))(clean)


def show(
    clip: Annotated[str, typer.Argument(help="The clip's sample_id, e.g. sub01/EP02_01f.", autocompletion=clips)],
    dataset: Annotated[
        str, typer.Option(help="Its dataset in the configuration.", autocompletion=configured("datasets"))
    ],
    out: Annotated[Path, typer.Option("--output", help="The picture to write.")] = Path("clip.png"),
    config: Configs = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Products to draw, e.g. rois, 'flow/*'.", autocompletion=products)
    ] = None,
    width: Annotated[int, typer.Option(help="Width of the picture, pixels.", min=600, max=20_000)] = 1800,
) -> None:
    """Draw every product of one clip: aligned frames, magnified apex, flow, ROIs on the face with their patches."""
    from mer.notebook.picture import draw
    from mer.notebook.run import open_run

    typer.echo(f"wrote {draw(open_run(*config or ()).clip(clip, dataset), only or (), width).save(out)}")


def export(
    product: Annotated[
        str,
        typer.Argument(help="What the workflow made, as stage/variant, e.g. flow/apex.", autocompletion=products),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="npz, png, mp4, or flow-images: the MEGC2019 layout.",
            autocompletion=one_of("npz", "png", "mp4", "flow-images"),
        ),
    ] = "npz",
    out: Annotated[Path, typer.Option("--output", help="The folder to make.")] = Path("export"),
    config: Configs = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Only of this database; may be given again.", autocompletion=configured("datasets")),
    ] = None,
    view: Annotated[str | None, typer.Option(help="A class scheme: the clips that have a class in it.")] = None,
    experiment: Annotated[
        str | None,
        typer.Option(help="The clips, classes and folds of this experiment.", autocompletion=configured("experiments")),
    ] = None,
    array: Annotated[str | None, typer.Option(help="Of npz: the only array to write.")] = None,
    fps: Annotated[float | None, typer.Option(help="Of mp4: frames per second.", min=1, max=2000)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> None:
    """Write a product as files for other code, with an index, labels and folds."""
    from mer.notebook.run import open_run

    run, labels = open_run(*config or ()), {"view": view, "experiment": experiment}
    made = run.export(product, kind, out, data=dataset, array=array, fps=fps, force=force, **labels)
    typer.echo(f"wrote {made}")


def figure(
    kind: Annotated[
        str, typer.Argument(help="confusion, intervals, flow, clip or curves.", autocompletion=one_of(*KINDS))
    ],
    experiment: Annotated[
        list[str] | None,
        typer.Option(
            help="Of confusion and curves: which; of intervals: only these.",
            autocompletion=configured("experiments", "spotting"),
        ),
    ] = None,
    clip: Annotated[str, typer.Option(help="Of flow and clip: the clip's sample_id.", autocompletion=clips)] = "",
    dataset: Annotated[
        str,
        typer.Option(help="Of flow and clip: its dataset in the configuration.", autocompletion=configured("datasets")),
    ] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Of clip and flow: only these products or stages.", autocompletion=products),
    ] = None,
    columns: Annotated[int, typer.Option(help="Columns of the paper that it is wide.", min=1, max=2)] = 1,
    kind_of_file: Annotated[
        str,
        typer.Option(
            "--format", help="pdf, svg or png, unless --output says.", autocompletion=one_of("pdf", "svg", "png")
        ),
    ] = "pdf",
    out: Annotated[Path | None, typer.Option("--output", help="The file to write; KIND.FORMAT if absent.")] = None,
    config: Configs = None,
) -> None:
    """Draw a figure for a paper, from a finished run."""
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
    from mer.core.progress import each
    from mer.report import figures
    from mer.report.courses import read_courses
    from mer.report.details import Details
    from mer.report.scores import score_rows

    if kind == "intervals":
        scored = each(names or [*run.experiments], "experiments scored")
        return figures.intervals([row for name in scored for row in score_rows(run.scored(name))], columns)
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


def verify(
    results: Annotated[Path, typer.Argument(help="The folder of results of a finished run.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """Read a finished run again: does all of it still fit its report? Exit status: 0 yes, 1 no.

    With --json: `fits`, whether it does; `faults`, a line for each file that does not.
    """
    from mer.planning.finished_run import verify as verified

    lines = verified(results, note)
    if as_json:
        typer.echo(json.dumps({"fits": not lines, "faults": lines}, indent=1, ensure_ascii=False))
    else:
        typer.echo("\n".join(lines) or f"{results}: fits its report")
    raise typer.Exit(Status.NO if lines else Status.YES)


def clean(
    stale: Annotated[bool, typer.Option("--stale", help="What no plan names, or what was made otherwise.")] = False,
    config: Configs = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it, too.")] = False,
    as_json: Json = False,
) -> None:
    """List what earlier runs left in the results that the configuration does not lead to; remove it on request.

    With --json: `results`, the folder; `removed`, whether they are gone;
    `files`, each with `file`, `bytes` and `why`.
    """
    from mer.core.errors import ConfigError
    from mer.notebook.located import locate, nearest_file
    from mer.planning import leftovers
    from mer.planning.catalog import Catalog
    from mer.planning.experiments import all_planned
    from mer.planning.read_config import parse

    if not stale:
        raise ConfigError("mer clean", "does not say what", "--stale: what the configuration does not lead to")
    located = locate(config or [nearest_file()])
    catalog = Catalog(parse(located.raw, located.where))
    results = catalog.config.results
    if not results.is_dir():
        raise ConfigError(results, "no such folder", "the results of a run")
    found = leftovers.leftovers(catalog, all_planned(catalog))
    files: list[dict[str, Any]] = [
        {"file": str(path), "bytes": path.stat().st_size, "why": why} for path, why in found.items()
    ]
    told = list(leftovers.told(found, results))
    if remove:
        leftovers.remove(found, results)
    if as_json:
        listed = {"results": str(results), "removed": remove, "files": files}
        typer.echo(json.dumps(listed, indent=1, ensure_ascii=False))
        return
    done = "removed" if remove else "to be removed by --remove"
    last = f"{len(found)} files {done}" if found else "nothing is left over"
    typer.echo("\n".join([*told, f"{results}: {last}"]))
