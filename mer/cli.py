"""The `mer` command: thin wrappers around functions that a notebook could call."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mer import __version__
from mer.core.errors import MerError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Micro-expression research, from raw clips to honest scores."
)
bench = typer.Typer(no_args_is_help=True, help="Measure against a named peer, in one run.")
app.add_typer(bench, name="bench")

Json = Annotated[bool, typer.Option("--json", help="Print a list of objects instead of a table.")]


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Print the version when asked."""
    if show:
        typer.echo(f"mer {__version__}")
        raise typer.Exit


@bench.command("stages")
def bench_stages(
    pairs: Annotated[int, typer.Option(help="Simulated onset-apex pairs per case.", min=1, max=1000)] = 12,
    seed: Annotated[int, typer.Option(help="Seed of the simulated clips.")] = 0,
    as_json: Json = False,
) -> None:
    """Error against truth, speed as a ratio to OpenCV TV-L1, CPU-seconds and peak memory, per stage and method."""
    from mer.bench.stages import run_bench
    from mer.bench.table import render_rows

    rows = run_bench(pairs, seed, log=lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps([row.as_dict() for row in rows], indent=1) if as_json else render_rows(rows))


@app.command()
def check(
    root: Annotated[Path, typer.Argument(help="The folder that the licence gave you.")],
    dataset: Annotated[str, typer.Option(help="Its reader, e.g. casme2; see docs/datasets.md.")],
    view: Annotated[str, typer.Option(help="Which of the released image trees to look at.")] = "",
    option: Annotated[list[str] | None, typer.Option(help="Another key of the reader, as key=value.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Any problem makes the download unusable.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="List every problem, not the first of each rule.")] = False,
    licence_accepted: Annotated[bool, typer.Option("--licence-accepted", help="You signed the owner's form.")] = False,
    errata: Annotated[bool, typer.Option(help="Apply the published corrections.")] = True,
    decode: Annotated[int, typer.Option(help="Images to decode per clip.", min=0)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object instead of tables.")] = False,
) -> None:
    """Read a download before anything runs. Exit status: 0 usable, 1 usable with exclusions, 2 unusable."""
    from mer.checking.command import run_check

    accepted = True if licence_accepted else None
    text, status = run_check(
        root,
        dataset,
        view,
        option or (),
        strict,
        as_json,
        accepted,
        errata=errata,
        decode=decode,
        everything=everything,
    )
    typer.echo(text, nl=False)
    raise typer.Exit(status)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the database and its truth into.")],
    layout: Annotated[str, typer.Option(help="Which database's layout to write.")] = "casme2",
    subjects: Annotated[int, typer.Option(min=1)] = 2,
    clips: Annotated[int, typer.Option(min=1)] = 3,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Write a simulated database in the layout of a real one, with its exact truth beside it."""
    from mer.config import validate
    from mer.core.registry import load
    from mer.simulate.params import SimulateParams
    from mer.simulate.registry import LAYOUTS

    values = {"layout": layout, "subjects": subjects, "clips": clips, "seed": seed}
    params = validate(SimulateParams, values, "mer simulate", "")
    writer = load(LAYOUTS, layout, "mer simulate --layout")
    writer.write_tables(params, out)
    for subject in writer.subjects(params):
        writer.write_subject(params, subject, out, out / "truth" / f"{subject}.h5")
        typer.echo(f"{subject}: written below {out}")


@app.command()
def show(
    clip: Annotated[str, typer.Argument(help="The clip's sample_id, e.g. sub01/EP02_01f.")],
    dataset: Annotated[str, typer.Option(help="Its dataset in the configuration.")],
    out: Annotated[Path, typer.Option("--output", help="The picture to write.")] = Path("clip.png"),
    config: Annotated[list[Path] | None, typer.Option(help="Configuration files, laid over each other.")] = None,
) -> None:
    """Draw every product of one clip: aligned frames, magnified apex, flow, ROIs on the face."""
    from mer.reporting import draw_clip

    typer.echo(f"wrote {draw_clip(config or [Path('config.yaml')], dataset, clip, out)}")


def main() -> None:
    """Run the command; a user's mistake is one line on standard error and exit status 2."""
    try:
        app()
    except MerError as error:
        sys.exit(_fail(error))


def _fail(error: MerError) -> int:
    typer.echo(f"mer: {error.line()}", err=True)
    return 2
