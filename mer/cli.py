"""The `mer` command: thin wrappers around functions that a notebook could call."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mer import __version__
from mer.core.errors import MerError
from mer.core.process import short_lived

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Micro-expression research, from raw clips to honest scores."
)
bench = typer.Typer(no_args_is_help=True, help="Measure against a named peer, in one run.")
app.add_typer(bench, name="bench")
weights = typer.Typer(no_args_is_help=True, help="Weight files: what comes with mer, and published ones on request.")
app.add_typer(weights, name="weights")

Json = Annotated[bool, typer.Option("--json", help="Print a list of objects instead of a table.")]


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Print the version when asked."""
    if show:
        typer.echo(f"mer {__version__}")
        raise typer.Exit


@bench.command("stages")
def bench_stages(
    pairs: Annotated[int, typer.Option(help="Simulated onset-apex pairs of the flow rows.", min=1, max=1000)] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the simulated clips.")] = 0,
    plots: Annotated[Path | None, typer.Option(help="Also draw the flow methods into this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Error against truth, speed as a ratio to OpenCV TV-L1, CPU-seconds and peak memory, per stage and method."""
    from mer.bench.measure import Row
    from mer.bench.stages import run_bench
    from mer.bench.table import shown

    rows = run_bench(pairs, seed, log=lambda line: typer.echo(line, err=True))
    typer.echo(shown(Row, rows, as_json))
    if plots is not None:
        from mer.bench.plots import write_plots

        typer.echo(f"wrote {write_plots(rows, plots)}", err=True)


@bench.command("clip")
def bench_clip(
    seed: Annotated[int, typer.Option(help="Seed of the simulated clip.")] = 0,
    as_json: Json = False,
) -> None:
    """CPU-seconds of every stage from one raw clip to the flow of its regions, also as a ratio to OpenCV TV-L1."""
    from mer.bench.clip import ClipRow, run_clip_bench
    from mer.bench.table import shown

    rows = run_clip_bench(seed, log=lambda line: typer.echo(line, err=True))
    typer.echo(shown(ClipRow, rows, as_json))


@bench.command("align")
def bench_align(
    video: Annotated[Path | None, typer.Argument(help="Measure on this video instead of the simulated clips.")] = None,
    hours: Annotated[float, typer.Option(help="Also measure a stream of this many hours.", min=0)] = 0.0,
    fps: Annotated[float, typer.Option(help="Frames per second of that stream.", min=1)] = 30.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated clips.")] = 0,
    as_json: Json = False,
) -> None:
    """Frames per second, CPU time and peak memory of the align stage, against detection on every frame."""
    from mer.bench.align import AlignRow, run_align_bench
    from mer.bench.table import shown

    rows = run_align_bench(video, hours, fps, seed, log=lambda line: typer.echo(line, err=True))
    typer.echo(shown(AlignRow, rows, as_json))


@bench.command("interpolate")
def bench_interpolate(
    video: Annotated[Path, typer.Argument(help="A video; every second frame is held out and made again.")],
    windows: Annotated[int, typer.Option(help="Places of the video to measure at.", min=1)] = 20,
    stride: Annotated[int, typer.Option(help="Use every n-th frame, for larger motion.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """PSNR of every interpolation method on real frames held out, apart for motion under and over a pixel."""
    from mer.bench.interpolate import RealRow, real
    from mer.bench.table import shown

    rows = real(video, windows, stride, log=lambda line: typer.echo(line, err=True))
    typer.echo(shown(RealRow, rows, as_json))


@bench.command("training")
def bench_training(
    model: Annotated[str, typer.Option(help="ststnet or mean.")] = "ststnet",
    folds: Annotated[int, typer.Option(help="How many of 68 subjects are held out in turn.", min=1, max=68)] = 68,
    epochs: Annotated[int, typer.Option(help="Passes over the training clips.", min=1)] = 40,
    clips: Annotated[int, typer.Option(help="Clips of all subjects together.", min=136)] = 442,
    workers: Annotated[int, typer.Option(help="Training processes; threads of the plain loop.", min=1)] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Leave-one-subject-out training against a plain loop: time, memory, held-out accuracy."""
    from mer.bench.training import SIDES, as_dicts, render, run_training_bench
    from mer.core.registry import lookup

    lookup(dict.fromkeys(SIDES, ""), model, "--model")
    rows = run_training_bench(model, folds, epochs, clips, workers, device, lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(as_dicts(rows), indent=1) if as_json else render(rows))


@bench.command("systems")
def bench_systems(
    models: Annotated[str, typer.Option(help="Names, with commas between; all by default.")] = "",
    preset: Annotated[str, typer.Option(help="Of every named model; the published one of each by default.")] = "",
    clips: Annotated[int, typer.Option(help="Training clips.", min=8)] = 16,
    epochs: Annotated[int, typer.Option(help="Measured epochs, after one that is not counted.", min=1)] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Fold-epochs per second of every system at its published preset, in float32 and bf16, and the hours of a LOSO."""
    from mer.bench.systems import as_dicts, render, run_system_bench

    named = [name.strip() for name in models.split(",")] if models else None
    rows = run_system_bench(named, preset or None, clips, epochs, device, log=lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(as_dicts(rows), indent=1) if as_json else render(rows))


@bench.command("feeding")
def bench_feeding(
    models: Annotated[str, typer.Option(help="Names, with commas between; all by default.")] = "",
    clips: Annotated[int, typer.Option(help="Training clips.", min=8)] = 64,
    seconds: Annotated[float, typer.Option(help="That each way is measured for.", min=0.1)] = 3.0,
    as_json: Json = False,
) -> None:
    """Clips per second that the input side of every published preset supplies, against what cards consume."""
    from mer.bench.feeding import FeedingRow, run_feeding_bench
    from mer.bench.table import shown

    named = [name.strip() for name in models.split(",")] if models else None
    rows = run_feeding_bench(named, clips, seconds, log=lambda line: typer.echo(line, err=True))
    typer.echo(shown(FeedingRow, rows, as_json))


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
) -> None:
    """Write a simulated database in the layout of a real one, with its exact truth beside it."""
    from mer.planning.validation import validate
    from mer.simulate import registry
    from mer.simulate.params import SimulateParams

    values = {"layout": layout, "subjects": subjects, "clips": clips, "seed": seed}
    params = validate(SimulateParams, values, "mer simulate", "")
    writer = registry.layout(layout, "mer simulate --layout")
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
    only: Annotated[list[str] | None, typer.Option(help="Products to draw, e.g. rois, 'flow/*'.")] = None,
    width: Annotated[int, typer.Option(help="Width of the picture, pixels.", min=600, max=20_000)] = 1800,
) -> None:
    """Draw every product of one clip: aligned frames, magnified apex, flow, ROIs on the face with their patches."""
    from mer.planning.show import draw_clip

    typer.echo(f"wrote {draw_clip(config or [Path('config.yaml')], dataset, clip, out, only or (), width)}")


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


@app.command()
def analyze(
    videos: Annotated[list[Path], typer.Argument(help="Video files, or folders of numbered images.")],
    out: Annotated[Path, typer.Option("--output", help="Folder; each video gets one of its own in it.")] = Path(
        "analysis"
    ),
    experiment: Annotated[
        Path | None, typer.Option(help="Use the models of results/spotting/<name> instead of those that come with mer.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second of folders of images.", min=1, max=2000)] = None,
    fps_limit: Annotated[float | None, typer.Option(help="Thin faster videos to this rate.", min=10, max=2000)] = None,
    jobs: Annotated[int, typer.Option(help="Processes; each needs about 0.7 GB.", min=1, max=64)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as objects.")] = False,
) -> None:
    """Spot the expressions in any video, name them, and draw what was seen: a page, JSON and CSV per video."""
    from mer.analysis.command import Options, run_analyze

    options = Options(out, experiment, fps, fps_limit, jobs)
    found, complete = run_analyze(videos, options, lambda line: typer.echo(line, err=True))
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    if not complete:
        raise typer.Exit(2)


def main() -> None:
    """Run the command; a user's mistake is one line on standard error and exit status 2."""
    short_lived()
    try:
        app()
    except MerError as error:
        sys.exit(_fail(error))


def _fail(error: MerError) -> int:
    typer.echo(f"mer: {error.line()}", err=True)
    return 2
