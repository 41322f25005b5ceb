"""The `mer` command: thin wrappers around functions that a notebook could call."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from mer import __version__, cli_analyze, cli_results
from mer.cli_bench import bench
from mer.cli_options import (
    Json,
    LicenceAccepted,
    Seed,
    example,
    note,
    one_of,
    readers_and_datasets,
    registered,
    weight_files,
)
from mer.cli_run import run
from mer.core.atomic import refusal
from mer.core.errors import ConfigError, MerError
from mer.core.exits import Status
from mer.core.process import short_lived

app = typer.Typer(no_args_is_help=True)
weights = typer.Typer(no_args_is_help=True)
STATUSES = "Exit status:\n" + "\n".join(f"{status:<4} {status.meaning}" for status in Status)


@app.callback(
    invoke_without_command=True,
    help="Micro-expression research, from raw clips to honest scores.",
    epilog=f"{example('mer run', 'mer check --help', 'mer show sub01/EP02_01f --dataset casme2')}\n\n{STATUSES}",
)
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


app.command(
    epilog=example("mer run", "mer run -n", "mer run --configfile mine.yaml --replace-workflow-config"),
    context_settings={"ignore_unknown_options": True},
)(run)
cli_analyze.add_to(app)


@app.command(epilog=example("mer simulate CASME2 --subjects 4", "mer init CASME2 --output mine.yaml"))
def init(
    root: Annotated[Path, typer.Argument(help="The folder of a database, or of your own clips with a table.")],
    output: Annotated[Path, typer.Option("--output", help="The configuration to write.")] = Path("config.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    licence_accepted: LicenceAccepted = False,
) -> None:
    """Write a first configuration by looking at a folder; every guess has its reason beside it."""
    from mer.planning.first_config import write_first_config

    typer.echo("\n".join(write_first_config(root, output, force, licence_accepted)))


@app.command(epilog=example("mer simulate CASME2 --subjects 4", "mer check CASME2 --dataset casme2 --part"))
def check(
    root: Annotated[
        Path | None, typer.Argument(help="The folder that the licence gave you; the configuration's if absent.")
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            help="Its reader, e.g. casme2, or with --config its name there.", autocompletion=readers_and_datasets
        ),
    ] = "",
    config: Annotated[list[Path] | None, typer.Option(help="Take reader and options from a configuration.")] = None,
    view: Annotated[str, typer.Option(help="Which of the released image trees to look at.")] = "",
    option: Annotated[list[str] | None, typer.Option(help="Another key of the reader, as key=value.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Any problem makes the download unusable.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="List every problem, not the first of each rule.")] = False,
    licence_accepted: LicenceAccepted = False,
    errata: Annotated[bool, typer.Option(help="Apply the published corrections.")] = True,
    part: Annotated[bool, typer.Option("--part", help="It is a part of the release, on purpose.")] = False,
    decode: Annotated[int, typer.Option(help="Images to decode per clip.", min=0)] = 3,
    as_json: Json = False,
) -> None:
    """Read a download before anything runs. Exit status: 0 usable, 1 usable with exclusions, 2 unusable.

    With --json: `verdict`, `exit_code`, `stops` and `fatal`; `problems`, each
    with `rule`, `severity`, `file`, `sample_id` and `message`, counted under
    `rules`; `rows` by status, `left_out`, `subjects`, `counts` against the
    known `release`, `corrections`, `leftovers`, `images`, `decoded`, `sizes`;
    and `dataset`, `root`, `view`, `strict` as asked.
    """
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


@app.command("check-plugin", epilog=example("mer new model my_cnn", "mer check-plugin my_cnn.py"))
def check_plugin(
    files: Annotated[list[str], typer.Argument(help="Your own files, or dotted names of modules.")],
    config: Annotated[list[Path] | None, typer.Option(help="Give models the products of this configuration.")] = None,
    as_json: Json = False,
) -> None:
    """Hold your own model, method, reader or layout to its contract. Exit status: 0 kept, 2 not.

    With --json: `kept`, whether all is; `lines`, what would be printed.
    """
    from mer.planning.chains import chains
    from mer.testing.plugins import run_check

    lines: list[str] = []
    kept = run_check(files, lines.append if as_json else typer.echo, chains(config) if config else None)
    if as_json:
        typer.echo(json.dumps({"kept": kept, "lines": lines}, indent=1, ensure_ascii=False))
    raise typer.Exit(Status.YES if kept else Status.REFUSED)


@app.command(epilog=example("mer new model my_cnn"))
def new(
    kind: Annotated[
        str,
        typer.Argument(help="model, method or reader.", autocompletion=one_of("model", "method", "reader")),
    ],
    name: Annotated[str, typer.Argument(help="Its name, and that of its file.")],
    folder: Annotated[Path, typer.Option("--output", help="The folder that the files go into.")] = Path(),
) -> None:
    """Write a commented file of your own to start from, and a test beside it."""
    from mer.testing.new_plugin import write_new

    for path in write_new(kind, name, folder):
        typer.echo(f"wrote {path}")
    typer.echo(f"next: mer check-plugin {folder / f'{name}.py'}")


@app.command(epilog=example("mer models", "mer models --json"))
def models(as_json: Json = False) -> None:
    """Every recognition system and preset: parameters, inputs, source; docs/models.md says what each is.

    With --json: a list with `model`, `preset`, `parameters`, `classes`,
    `mib`, `inputs` and `source`.
    """
    from mer.models.listing import entries, render

    rows = entries()
    typer.echo(json.dumps([row.as_dict() for row in rows], indent=1) if as_json else render(rows))


@app.command(epilog=example("mer simulate CASME2 --subjects 4", "mer simulate talk --lifelike 60 --habit micro=6"))
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the database and its truth into.")],
    layout: Annotated[
        str,
        typer.Option(help="Which database's layout to write.", autocompletion=registered("mer.simulate.names:LAYOUTS")),
    ] = "casme2",
    subjects: Annotated[int, typer.Option(help="How many people.", min=1)] = 2,
    clips: Annotated[int, typer.Option(help="How many clips of each.", min=1)] = 3,
    seed: Seed = 0,
    into: Annotated[
        Path | None,
        typer.Option(help="Implant expressions into this film of a face instead, truth beside it."),
    ] = None,
    amplitudes: Annotated[
        str, typer.Option(help="Of --into: largest movements in shares of the distance between the eyes, by commas.")
    ] = "",
    macro: Annotated[
        float, typer.Option(help="Of --into: share of macro-expressions, twice as large.", min=0, max=1)
    ] = 0.0,
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
    _together(into, seconds, {"--amplitudes": amplitudes, "--macro": macro}, {"--habit": habit})
    if into is not None:
        from mer.analysis.implanting import implant_film, recipe_from

        implant_film(into, out, recipe_from(seed, amplitudes, macro), typer.echo)
        return
    if seconds is not None:
        from mer.analysis.lifelike_film import People, habits_from, write_people

        write_people(out, People(seconds, subjects, seed, habits_from(habit or ())), typer.echo)
        return
    from mer.core.progress import each
    from mer.core.validation import validate
    from mer.simulate import registry
    from mer.simulate.params import SimulateParams

    values = {"layout": layout, "subjects": subjects, "clips": clips, "seed": seed}
    params = validate(SimulateParams, values, "mer simulate", "")
    for subject, _ in each(registry.layout(layout, "mer simulate --layout").write(params, out), "people", subjects):
        typer.echo(f"{subject}: written below {out}")


def _together(into: object, lifelike: object, of_into: dict[str, Any], of_lifelike: dict[str, Any]) -> None:
    """Refuse options of `mer simulate` that would do nothing beside the others."""
    from mer.core.errors import ConfigError

    if into is not None and lifelike is not None:
        raise ConfigError("mer simulate", "--into and --lifelike", "one of both")
    for needed, told, options in ((into, "--into", of_into), (lifelike, "--lifelike", of_lifelike)):
        for option, given in options.items():
            if given and needed is None:
                raise ConfigError(f"mer simulate {option}", f"does nothing without {told}", f"{told}, or no {option}")


@weights.command("list", epilog=example("mer weights list", "mer weights list --json"))
def weights_list(as_json: Json = False) -> None:
    """Every known weight file: network, variant, whether it is here, size, licence and source.

    With --json: a list with `name`, `network`, `variant`, `state`, `files`,
    `size`, `sha256`, `licence` and `source`.
    """
    from mer.weights.fetch import listing, render

    rows = listing()
    typer.echo(json.dumps(rows, indent=1) if as_json else render(rows))


@weights.command("fetch", epilog=example("mer weights fetch rife_m --accept-licence"))
def weights_fetch(
    name: Annotated[str, typer.Argument(help="A name of `mer weights list`.", autocompletion=weight_files)],
    file: Annotated[Path | None, typer.Option(help="Take this file, or archive, instead of downloading.")] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You agree to the licence named.")] = False,
) -> None:
    """Put published weights into the cache, after checking size and SHA-256."""
    from mer.weights.fetch import fetch

    fetch(name, file, accept_licence, typer.echo)


@app.command(epilog=example("mer predict results/experiments/ststnet --clips clip.mp4"))
def predict(
    model: Annotated[Path, typer.Argument(help="An experiment's folder below results/experiments, or one model.")],
    clips: Annotated[Path, typer.Option(help="A video, a folder of clips, or a CSV file that lists them.")],
    out: Annotated[Path, typer.Option("--output", help="The table to write.")] = Path("predictions.csv"),
    as_json: Json = False,
) -> None:
    """Name the expressions in new clips with a trained experiment: the mean of its models, one per fold and seed.

    With --json: the rows of the table, too, by the names of its columns.
    """
    from mer.training.predict_new import run_predict

    rows = run_predict(model, clips, out, note)
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))


cli_results.add_to(app)
app.add_typer(weights, name="weights", help="Weight files: what comes with mer, and published ones on request.")
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command, and end with one of `mer.core.exits.Status`: a user's mistake is one line on standard error."""
    short_lived()
    try:
        sys.exit(app([_at_home(given) for given in sys.argv[1:]], prog_name="mer", standalone_mode=False))
    except MerError as error:
        sys.exit(_fail(error))
    except OSError as error:
        sys.exit(_fail(refusal("mer", error)))
    except KeyboardInterrupt:
        sys.exit(Status.INTERRUPTED)
    except Exception as error:
        if hasattr(error, "format_message"):
            sys.exit(_misused(error))
        traceback.print_exc()
        typer.echo("mer: this is a mistake in mer, not in what it was given: please report the lines above", err=True)
        sys.exit(Status.FAULT)


def _at_home(given: str) -> str:
    """Return an argument with the tilde of `--output=~/x` expanded, which a shell leaves alone."""
    option, equals, value = given.partition("=")
    return option + equals + os.path.expanduser(value) if option.startswith("--") and value[:1] == "~" else given


def _misused(error: Any) -> int:
    """Say what is wrong about the words of a command; help that was asked for by typing none has been printed."""
    name, said = getattr(error.ctx, "command_path", "mer"), error.format_message()
    if type(error).__name__ != "NoArgsIsHelpError":
        where = "the command line" if name == "mer" else name
        return _fail(ConfigError(where, said.rstrip("."), remedy=f"see {name} --help"))
    return Status.REFUSED


def _fail(error: MerError) -> int:
    typer.echo(f"mer: {error.line()}", err=True)
    return Status.REFUSED
