"""The `mer` command: thin wrappers around functions that a notebook could call."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mer import __version__
from mer.cli_analyze import analyze
from mer.cli_bench import Json, bench
from mer.cli_figure import figure
from mer.core.atomic import refusal
from mer.core.errors import MerError
from mer.core.process import short_lived

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Micro-expression research, from raw clips to honest scores."
)
app.add_typer(bench, name="bench")
weights = typer.Typer(no_args_is_help=True, help="Weight files: what comes with mer, and published ones on request.")
app.add_typer(weights, name="weights")


@app.callback(invoke_without_command=True)
def before(
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option(help="Your own file, or dotted module, that the command is to know.")
    ] = None,
) -> None:
    """Print the version when asked, and load plug-ins."""
    if show:
        typer.echo(f"mer {__version__}")
        raise typer.Exit
    if plugin:
        from mer.core.plugins import plug_in

        plug_in(plugin, "--plugin")


@app.command()
def init(
    root: Annotated[Path, typer.Argument(help="The folder of a database, or of your own clips with a table.")],
    output: Annotated[Path, typer.Option("--output", help="The configuration to write.")] = Path("config.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    licence_accepted: Annotated[bool, typer.Option("--licence-accepted", help="You signed the owner's form.")] = False,
) -> None:
    """Write a first configuration by looking at a folder; every guess has its reason beside it."""
    from mer.planning.first_config import write_first_config

    for line in write_first_config(root, output, force, licence_accepted):
        typer.echo(line)


@app.command()
def check(
    root: Annotated[
        Path | None, typer.Argument(help="The folder that the licence gave you; the configuration's if absent.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Its reader, e.g. casme2, or with --config its name there.")] = "",
    config: Annotated[list[Path] | None, typer.Option(help="Take reader and options from a configuration.")] = None,
    view: Annotated[str, typer.Option(help="Which of the released image trees to look at.")] = "",
    option: Annotated[list[str] | None, typer.Option(help="Another key of the reader, as key=value.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Any problem makes the download unusable.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="List every problem, not the first of each rule.")] = False,
    licence_accepted: Annotated[bool, typer.Option("--licence-accepted", help="You signed the owner's form.")] = False,
    errata: Annotated[bool, typer.Option(help="Apply the published corrections.")] = True,
    part: Annotated[bool, typer.Option("--part", help="It is a part of the release, on purpose.")] = False,
    decode: Annotated[int, typer.Option(help="Images to decode per clip.", min=0)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object instead of tables.")] = False,
) -> None:
    """Read a download before anything runs. Exit status: 0 usable, 1 usable with exclusions, 2 unusable."""
    from mer.checking.check import run_check
    from mer.planning.check_target import check_target

    where, reader, given, signed = check_target(root, dataset, config or ())
    text, status = run_check(
        where,
        reader,
        view,
        option or (),
        strict,
        as_json,
        True if licence_accepted else signed,
        errata=errata,
        decode=decode,
        everything=everything,
        part=part,
        configured=given,
    )
    typer.echo(text, nl=False)
    raise typer.Exit(status)


@app.command("check-plugin")
def check_plugin(
    files: Annotated[list[str], typer.Argument(help="Your own files, or dotted names of modules.")],
    config: Annotated[list[Path] | None, typer.Option(help="Give models the products of this configuration.")] = None,
) -> None:
    """Hold your own model, method, reader or layout to its contract. Exit status: 0 kept, 2 not."""
    from mer.planning.chains import chains
    from mer.testing.plugins import run_check

    raise typer.Exit(0 if run_check(files, typer.echo, chains(config) if config else None) else 2)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="model, method or reader.")],
    name: Annotated[str, typer.Argument(help="Its name, and that of its file.")],
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path(),
) -> None:
    """Write a commented file of your own to start from, and a test beside it."""
    from mer.testing.new_plugin import write_new

    for path in write_new(kind, name, folder):
        typer.echo(f"wrote {path}")
    typer.echo(f"next: mer check-plugin {folder / f'{name}.py'}")


@app.command()
def models(as_json: Json = False) -> None:
    """Every recognition system and preset: parameters, inputs, source; docs/models.md says what each is."""
    from mer.models.listing import entries, render

    rows = entries()
    typer.echo(json.dumps([row.as_dict() for row in rows], indent=1) if as_json else render(rows))


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the database and its truth into.")],
    layout: Annotated[str, typer.Option(help="Which database's layout to write.")] = "casme2",
    subjects: Annotated[int, typer.Option(min=1)] = 2,
    clips: Annotated[int, typer.Option(min=1)] = 3,
    seed: Annotated[int, typer.Option()] = 0,
    into: Annotated[
        Path | None,
        typer.Option(help="Implant expressions into this film of a face instead, truth beside it."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--lifelike", help="Film people for so many seconds instead: all that real footage has.", min=1),
    ] = None,
    habit: Annotated[
        list[str] | None,
        typer.Option(
            help="Of --lifelike: how often something happens a minute, as micro=6; a share of time: talk=0.5."
        ),
    ] = None,
) -> None:
    """Write a simulated database in the layout of a real one, with its exact truth beside it."""
    if into is not None:
        from mer.analysis.implanting import Recipe, implant_film

        implant_film(into, out, Recipe(seed=seed), typer.echo)
        return
    if seconds is not None:
        from mer.analysis.lifelike_film import People, habits_from, write_people

        write_people(out, People(seconds, subjects, seed, habits_from(habit or ())), typer.echo)
        return
    from mer.core.validation import validate
    from mer.simulate import registry
    from mer.simulate.params import SimulateParams

    values = {"layout": layout, "subjects": subjects, "clips": clips, "seed": seed}
    params = validate(SimulateParams, values, "mer simulate", "")
    for subject, _ in registry.layout(layout, "mer simulate --layout").write(params, out):
        typer.echo(f"{subject}: written below {out}")


@app.command()
def show(
    clip: Annotated[str, typer.Argument(help="The clip's sample_id, e.g. sub01/EP02_01f.")],
    dataset: Annotated[str, typer.Option(help="Its dataset in the configuration.")],
    out: Annotated[Path, typer.Option("--output", help="The picture to write.")] = Path("clip.png"),
    config: Annotated[list[Path] | None, typer.Option(help="Configuration files, laid over each other.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Products to draw, e.g. rois, 'flow/*'.")] = None,
    width: Annotated[int, typer.Option(help="Width of the picture, pixels.", min=600, max=20_000)] = 1800,
) -> None:
    """Draw every product of one clip: aligned frames, magnified apex, flow, ROIs on the face with their patches."""
    from mer.notebook.picture import draw
    from mer.notebook.run import open_run

    typer.echo(f"wrote {draw(open_run(*config or ()).clip(clip, dataset), only or (), width).save(out)}")


@app.command()
def export(
    product: Annotated[str, typer.Argument(help="What the workflow made, as stage/variant, e.g. flow/apex.")],
    kind: Annotated[str, typer.Option("--format", help="npz, png, mp4, or flow-images: the MEGC2019 layout.")] = "npz",
    out: Annotated[Path, typer.Option("--output", help="The folder to make.")] = Path("export"),
    config: Annotated[list[Path] | None, typer.Option(help="Configuration files laid over each other.")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="Only of this database; may be given again.")] = None,
    view: Annotated[str | None, typer.Option(help="A class scheme: the clips that have a class in it.")] = None,
    experiment: Annotated[str | None, typer.Option(help="The clips, classes and folds of this experiment.")] = None,
    array: Annotated[str | None, typer.Option(help="Of npz: the only array to write.")] = None,
    fps: Annotated[float | None, typer.Option(help="Of mp4: frames per second.", min=1, max=2000)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> None:
    """Write a product as files for other code, with an index, labels and folds."""
    from mer.notebook.run import open_run

    run, labels = open_run(*config or ()), {"view": view, "experiment": experiment}
    made = run.export(product, kind, out, data=dataset, array=array, fps=fps, force=force, **labels)
    typer.echo(f"wrote {made}")


@app.command()
def clean(
    stale: Annotated[bool, typer.Option("--stale", help="What no plan names, or what was made otherwise.")] = False,
    config: Annotated[list[Path] | None, typer.Option(help="Configuration files laid over each other.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it, too.")] = False,
) -> None:
    """List what earlier runs left in the results that the configuration does not lead to; remove it on request."""
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
    for line in leftovers.told(found, results):
        typer.echo(line)
    if remove:
        leftovers.remove(found, results)
    done = "removed" if remove else "to be removed by --remove"
    typer.echo(f"{results}: {len(found)} files {done}" if found else f"{results}: nothing is left over")


@weights.command("list")
def weights_list(as_json: Json = False) -> None:
    """Every known weight file: network, variant, whether it is here, size, licence and source."""
    from mer.weights.fetch import listing, render

    rows = listing()
    typer.echo(json.dumps(rows, indent=1) if as_json else render(rows))


@weights.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="A name of `mer weights list`.")],
    file: Annotated[Path | None, typer.Option(help="Take this file, or archive, instead of downloading.")] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You agree to the licence named.")] = False,
) -> None:
    """Put published weights into the cache, after checking size and SHA-256."""
    from mer.weights.fetch import fetch

    fetch(name, file, accept_licence, typer.echo)


@app.command()
def verify(
    results: Annotated[Path, typer.Argument(help="The folder of results of a finished run.")] = Path("results"),
) -> None:
    """Read a finished run again: does all of it still fit its report? Exit status: 0 yes, 1 no."""
    from mer.planning.finished_run import verify as verified

    lines = verified(results, lambda line: typer.echo(line, err=True))
    for line in lines or [f"{results}: fits its report"]:
        typer.echo(line)
    raise typer.Exit(1 if lines else 0)


@app.command("score-spotting")
def score_spotting(
    truth: Annotated[Path, typer.Argument(help="True intervals: subject,video,onset,offset,emotion.")],
    prediction: Annotated[Path, typer.Argument(help="Predicted ones, the same columns, or an MEGC submission.")],
    classes: Annotated[
        str, typer.Option(help="Emotions that are recognised, with commas; default: all but others.")
    ] = "",
    matching: Annotated[
        str, typer.Option(help="one-to-one, or greedy: the published rule, by order of rows.")
    ] = "one-to-one",
    fps: Annotated[
        float | None, typer.Option(help="Frames per second: rows without type are micro up to 0.5 s.")
    ] = None,
    megc: Annotated[Path | None, typer.Option(help="Also write the predictions as an MEGC submission.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object instead of lines.")] = False,
) -> None:
    """Score anyone's spotted intervals: TP, FP, FN, F1, AP, recognition of what was spotted, STRS."""
    from mer.core.registry import lookup
    from mer.spotting.score_intervals import run_score

    lookup({"one-to-one": "", "greedy": ""}, matching, "--matching")
    typer.echo(run_score(truth, prediction, classes, matching, fps, as_json, megc))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="An experiment's folder below results/experiments, or one model.")],
    clips: Annotated[Path, typer.Option(help="A video, a folder of clips, or a CSV file that lists them.")],
    out: Annotated[Path, typer.Option("--output", help="The table to write.")] = Path("predictions.csv"),
) -> None:
    """Name the expressions in new clips with a trained experiment: the mean of its models, one per fold and seed."""
    from mer.training.predict_new import run_predict

    run_predict(model, clips, out, lambda line: typer.echo(line, err=True))


app.command()(analyze)
app.command()(figure)


def main() -> None:
    """Run the command; a user's mistake, or a file that the system refuses, is one line on stderr and exit status 2."""
    short_lived()
    try:
        app([_at_home(given) for given in sys.argv[1:]])
    except MerError as error:
        sys.exit(_fail(error))
    except OSError as error:
        sys.exit(_fail(refusal("mer", error)))


def _at_home(given: str) -> str:
    """Return an argument with the tilde of `--output=~/x` expanded, which a shell leaves alone."""
    option, equals, value = given.partition("=")
    return option + equals + os.path.expanduser(value) if option.startswith("--") and value[:1] == "~" else given


def _fail(error: MerError) -> int:
    typer.echo(f"mer: {error.line()}", err=True)
    return 2
