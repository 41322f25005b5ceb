"""`mer bench`: thin wrappers around the benches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mer.cli_options import Device, Jobs, Json, Models, Seed, example, note, one_of
from mer.core.exits import Status

bench = typer.Typer(
    no_args_is_help=True,
    help="Measure against a named peer, in one run. With --json: a list of the rows, by the names of their fields.",
)

Configurations = Annotated[
    list[Path] | None,
    typer.Option(help="A configuration, laid over those before when given again; a small one by default."),
]
KeptRuns = Annotated[Path | None, typer.Option(help="Keep the runs in this folder.")]


def _told(differences: list[str]) -> NoReturn:
    """Print what differs between runs, and end with 1 if anything does."""
    for line in differences:
        note(line)
    raise typer.Exit(Status.NO if differences else Status.YES)


@bench.command("stages", epilog=example("mer bench stages --pairs 4", "mer bench stages --json"))
def bench_stages(
    pairs: Annotated[int, typer.Option(help="Simulated onset-apex pairs of the flow rows.", min=1, max=1000)] = 200,
    seed: Seed = 0,
    plots: Annotated[Path | None, typer.Option(help="Also draw the flow methods into this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Error against truth, speed as a ratio to OpenCV TV-L1, CPU-seconds and peak memory, per stage and method."""
    from mer.bench.measure import Row
    from mer.bench.stages import run_bench
    from mer.bench.table import shown

    rows = run_bench(pairs, seed, log=note)
    typer.echo(shown(Row, rows, as_json))
    if plots is not None:
        from mer.bench.plots import write_plots

        note(f"wrote {write_plots(rows, plots)}")


@bench.command("clip", epilog=example("mer bench clip"))
def bench_clip(
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """CPU-seconds of every stage from one raw clip to the flow of its regions, also as a ratio to OpenCV TV-L1."""
    from mer.bench.clip import ClipRow, run_clip_bench
    from mer.bench.table import shown

    rows = run_clip_bench(seed, log=note)
    typer.echo(shown(ClipRow, rows, as_json))


@bench.command("align", epilog=example("mer bench align", "mer bench align talk/person01/film.mp4 --json"))
def bench_align(
    video: Annotated[Path | None, typer.Argument(help="Measure on this video instead of the simulated clips.")] = None,
    hours: Annotated[float, typer.Option(help="Also measure a stream of this many hours.", min=0)] = 0.0,
    fps: Annotated[float, typer.Option(help="Frames per second of that stream.", min=1)] = 30.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Frames per second, CPU time and peak memory of the align stage, against detection on every frame."""
    from mer.bench.align import AlignRow, run_align_bench
    from mer.bench.table import shown

    rows = run_align_bench(video, hours, fps, seed, log=note)
    typer.echo(shown(AlignRow, rows, as_json))


@bench.command("interpolate", epilog=example("mer bench interpolate talk/person01/film.mp4 --windows 4"))
def bench_interpolate(
    video: Annotated[Path, typer.Argument(help="A video; every second frame is held out and made again.")],
    windows: Annotated[int, typer.Option(help="Places of the video to measure at.", min=1)] = 20,
    stride: Annotated[int, typer.Option(help="Use every n-th frame, for larger motion.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """PSNR of every interpolation method on real frames held out, apart for motion under and over a pixel."""
    from mer.bench.interpolate import RealRow, real
    from mer.bench.table import shown

    rows = real(video, windows, stride, log=note)
    typer.echo(shown(RealRow, rows, as_json))


@bench.command("training", epilog=example("mer bench training --folds 4 --epochs 5"))
def bench_training(
    model: Annotated[str, typer.Option(help="ststnet or mean.", autocompletion=one_of("ststnet", "mean"))] = "ststnet",
    folds: Annotated[int, typer.Option(help="How many of 68 subjects are held out in turn.", min=1, max=68)] = 68,
    epochs: Annotated[int, typer.Option(help="Passes over the training clips.", min=1)] = 40,
    clips: Annotated[int, typer.Option(help="Clips of all subjects together.", min=136)] = 442,
    workers: Annotated[int, typer.Option(help="Training processes; threads of the plain loop.", min=1)] = 2,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Leave-one-subject-out training against a plain loop: time, memory, held-out accuracy."""
    from mer.bench.table import shown
    from mer.bench.training import SIDES, TrainingRow, run_training_bench
    from mer.core.registry import lookup

    lookup(dict.fromkeys(SIDES, ""), model, "--model")
    rows = run_training_bench(model, folds, epochs, clips, workers, device, note)
    typer.echo(shown(TrainingRow, rows, as_json))


@bench.command("systems", epilog=example("mer bench systems --models ststnet,mean"))
def bench_systems(
    models: Models = "",
    preset: Annotated[str, typer.Option(help="Of every named model; the published one of each by default.")] = "",
    clips: Annotated[int, typer.Option(help="Training clips.", min=8)] = 16,
    epochs: Annotated[int, typer.Option(help="Measured epochs, after one that is not counted.", min=1)] = 1,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Fold-epochs per second of every system at its published preset, in float32 and bf16, and the hours of a LOSO."""
    from mer.bench.systems import SystemRow, run_system_bench
    from mer.bench.table import shown

    named = [name.strip() for name in models.split(",")] if models else None
    rows = run_system_bench(named, preset or None, clips, epochs, device, log=note)
    typer.echo(shown(SystemRow, rows, as_json))


@bench.command("recognition", epilog=example("mer bench recognition --models svm_flow --seeds 1 --orders 0"))
def bench_recognition(
    images: Annotated[
        Path | None, typer.Option(help="Published flow images (reader `flow_images`) instead of simulated faces.")
    ] = None,
    inputs: Annotated[str, typer.Option(help="Inputs to compare, with commas between; all by default, or none.")] = "",
    models: Annotated[str, typer.Option(help="svm_flow, ststnet, flow_cnn; all by default.")] = "",
    seeds: Annotated[int, typer.Option(help="Seeds of every training.", min=1)] = 5,
    folds: Annotated[int, typer.Option(help="Parts of persons, held out in turn; 0: person by person.", min=0)] = 0,
    orders: Annotated[int, typer.Option(help="Orders of shuffled labels; 0: none.", min=0)] = 5,
    jobs: Jobs = 1,
    seed: Seed = 0,
    keep: Annotated[Path | None, typer.Option(help="Keep the simulated flow in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Score baselines on a composite as hard as life, and what each input adds to 28x28 min-max images.

    442 simulated clips of 68 people: level, learning curve, labels in random order, and every input against the plain
    one by a paired bootstrap over persons.
    """
    from mer.bench.recognition import RecognitionRow
    from mer.bench.recognition_run import INPUTS, MODELS, Asked, run_image_bench, run_recognition_bench
    from mer.bench.table import shown
    from mer.core.registry import lookup

    chosen, of = ([name.strip() for name in names.split(",") if name.strip()] for names in (inputs, models))
    for name in of:
        # Before a thousand pictures are drawn for it.
        lookup(dict.fromkeys(MODELS, ""), name, "--models")
    compared = [] if chosen == ["none"] else chosen or [*INPUTS]
    asked = Asked(seed, range(seeds), folds, orders, compared, of, jobs, keep)

    rows = run_image_bench(images, asked, note) if images else run_recognition_bench(asked, note)
    typer.echo(shown(RecognitionRow, rows, as_json))


@bench.command(
    "spotting",
    epilog=example(
        "mer bench spotting talk/person01/film.mp4 --output spotting", "mer bench spotting --simulated 2 --json"
    ),
)
def bench_spotting(
    videos: Annotated[list[Path] | None, typer.Argument(help="Films of faces, each of one person.")] = None,
    simulated: Annotated[int, typer.Option(help="So many simulated people besides.", min=0)] = 0,
    seeds: Annotated[int, typer.Option(help="Draws of implants for each film.", min=1)] = 1,
    experiment: Annotated[Path | None, typer.Option(help="Models as `mer analyze --experiment` takes them.")] = None,
    against: Annotated[list[Path] | None, typer.Option(help="Others that see the same films; repeatable.")] = None,
    jobs: Jobs = 1,
    output: Annotated[Path | None, typer.Option(help="Write JSON, CSV and plots into this folder.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep films and pages in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Implant expressions into films of faces: how many are found at which amplitude, and what is found besides."""
    from mer.analysis.bench.spotting import Asked, run_spotting_bench
    from mer.analysis.bench.tables import render
    from mer.analysis.bench.written import write_outcome

    asked = Asked(tuple(videos or ()), range(seeds), experiment, tuple(against or ()), jobs, keep, simulated)
    outcome = run_spotting_bench(asked, note)
    typer.echo(json.dumps(outcome.as_object(), indent=1) if as_json else render(outcome))
    if output is not None:
        note(f"wrote {write_outcome(outcome, output)}")


@bench.command("stability", epilog=example("mer bench stability talk/person01/film.mp4"))
def bench_stability(
    videos: Annotated[list[Path], typer.Argument(help="Films of faces.")],
    experiment: Annotated[Path | None, typer.Option(help="Models as `mer analyze --experiment` takes them.")] = None,
    jobs: Jobs = 1,
    output: Annotated[Path | None, typer.Option(help="Also write the rows into this JSON file.")] = None,
    as_json: Json = False,
) -> None:
    """Write films again (H.264, HEVC, smaller, without a first frame): which candidates stay, and how they change."""
    from mer.analysis.bench.stability import StabilityRow, run_stability_bench
    from mer.bench.table import shown
    from mer.core.atomic import write_json

    rows = run_stability_bench(videos, experiment, jobs, note)
    typer.echo(shown(StabilityRow, rows, as_json))
    if output is not None:
        write_json(output, [row.as_dict() for row in rows])


@bench.command("feeding", epilog=example("mer bench feeding --models dual_branch --seconds 1"))
def bench_feeding(
    models: Models = "",
    clips: Annotated[int, typer.Option(help="Training clips.", min=8)] = 64,
    seconds: Annotated[float, typer.Option(help="That each way is measured for.", min=0.1)] = 3.0,
    as_json: Json = False,
) -> None:
    """Clips per second that the input side of every published preset supplies, against what cards consume."""
    from mer.bench.feeding import FeedingRow, run_feeding_bench
    from mer.bench.table import shown

    named = [name.strip() for name in models.split(",")] if models else None
    rows = run_feeding_bench(named, clips, seconds, log=note)
    typer.echo(shown(FeedingRow, rows, as_json))


@bench.command("survival", epilog=example("mer bench survival --kills 3"))
def bench_survival(
    kills: Annotated[int, typer.Option(help="How often runs are killed, all together.", min=1)] = 30,
    seed: Seed = 0,
    cores: Annotated[int, typer.Option(help="Cores of each run.", min=1)] = 2,
    config: Configurations = None,
    keep: KeptRuns = None,
    as_json: Json = False,
) -> None:
    """Kill whole runs (SIGKILL) at random moments, start them again, compare every file. Exit status: 0 same, 1 not."""
    from mer.bench.survival import SMALLEST, SurvivalRow, run_survival_bench
    from mer.bench.table import shown
    from mer.planning.read_config import read_files

    rows, lines = run_survival_bench(read_files(config) if config else SMALLEST, kills, seed, cores, keep, note)
    typer.echo(shown(SurvivalRow, rows, as_json))
    _told(lines)


@bench.command("sameness", epilog=example("mer bench sameness --only locale"))
def bench_sameness(
    only: Annotated[
        str, typer.Option(help="Surroundings whose name has this part, e.g. processor; all by default.")
    ] = "",
    config: Configurations = None,
    keep: KeptRuns = None,
    as_json: Json = False,
) -> None:
    """Repeat a run elsewhere: cores, folder, locale, time zone, umask, TMPDIR, processor. Exit status: 0 same."""
    from mer.bench.sameness import SamenessRow, ScoreRow, run_sameness_bench
    from mer.bench.survival import SMALLEST
    from mer.bench.table import shown
    from mer.planning.read_config import read_files

    raw = read_files(config) if config else SMALLEST
    rows, scores, lines = run_sameness_bench(raw, only, keep, note)
    if as_json:
        objects = {"runs": [row.as_dict() for row in rows], "scores": [row.as_dict() for row in scores]}
        typer.echo(json.dumps(objects, indent=1))
    else:
        typer.echo(shown(SamenessRow, rows))
        typer.echo(shown(ScoreRow, scores) if scores else "", nl=bool(scores))
    _told(lines)


@bench.command("shuffled", epilog=example("mer bench shuffled --orders 5"))
def bench_shuffled(
    orders: Annotated[int, typer.Option(help="Orders of the labels.", min=1)] = 5,
    config: Annotated[list[Path] | None, typer.Option(help="Configuration files; config.yaml by default.")] = None,
    cores: Annotated[int, typer.Option(help="Cores of each run.", min=1)] = 2,
    as_json: Json = False,
) -> None:
    """Train and score every system of a configuration on shuffled labels, each beside its own band of chance."""
    from mer.bench.recognition import RecognitionRow
    from mer.bench.shuffled import run_shuffled_bench
    from mer.bench.table import shown
    from mer.planning.read_config import read_files

    rows = run_shuffled_bench(read_files(config or [Path("config.yaml")]), orders, cores, note)
    typer.echo(shown(RecognitionRow, rows, as_json))


@bench.command("cluster", epilog=example("mer bench cluster --fault memory"))
def bench_cluster(
    fault: Annotated[list[str] | None, typer.Option(help="memory, time, node, scancel or controller; all.")] = None,
    config: Annotated[
        list[Path] | None, typer.Option(help="Configuration files with an experiment ststnet; a small one by default.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Disturb whole runs, not from the training on.")] = False,
    keep: KeptRuns = None,
    as_json: Json = False,
) -> None:
    """Disturb runs on a SLURM of one machine (scripts/one_node_slurm.sh), compare files. Exit status: 0 same, 1 not."""
    from mer.bench.cluster import FAULTS, SMALLEST, ClusterRow, run_cluster_bench
    from mer.bench.table import shown
    from mer.planning.read_config import read_files

    rows, lines = run_cluster_bench(
        read_files(config) if config else SMALLEST,
        fault or list(FAULTS),
        keep,
        note,
        whole,
    )
    typer.echo(shown(ClusterRow, rows, as_json))
    _told(lines)


@bench.command("workflow", epilog=example("mer bench workflow results", "mer bench workflow --clips 400 --subjects 60"))
def bench_workflow(
    results: Annotated[Path | None, typer.Argument(help="A finished run: its overhead, from its benchmarks.")] = None,
    clips: Annotated[int, typer.Option(help="Simulated clips to plan for.", min=4)] = 2000,
    subjects: Annotated[int, typer.Option(help="Of so many people.", min=2)] = 250,
    folds_per_job: Annotated[int, typer.Option(help="Of every experiment; 0: as configured.", min=0)] = 0,
    subjects_per_job: Annotated[int, typer.Option(help="Of every stage; 0: as configured.", min=0)] = 0,
    config: Annotated[list[Path] | None, typer.Option(help="Configuration files; config.yaml by default.")] = None,
    as_json: Json = False,
) -> None:
    """Seconds and memory of planning many clips and of a run with nothing to do; or the overhead of a finished run."""
    from mer.bench.overhead import OverheadRow, overhead
    from mer.bench.table import shown
    from mer.bench.workflow import WorkflowRow, run_workflow_bench, together
    from mer.planning.read_config import read_files

    if results is not None:
        typer.echo(shown(OverheadRow, overhead(results), as_json))
        return
    raw = together(read_files(config or [Path("config.yaml")]), folds_per_job, subjects_per_job)
    rows = run_workflow_bench(raw, clips, subjects, note)
    typer.echo(shown(WorkflowRow, rows, as_json))
