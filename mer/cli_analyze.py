"""`mer analyze`, expressions in any video or live before a camera, and `mer score-spotting`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from mer.cli_options import Json, example, note, one_of
from mer.core.exits import Status

Videos = Annotated[list[Path] | None, typer.Argument(help="Video files, or folders of numbered images.")]
Output = Annotated[Path, typer.Option("--output", help="Folder; each video gets one of its own in it.")]
Experiment = Annotated[
    Path | None, typer.Option(help="Use the models of results/spotting/<name> instead of those that come with mer.")
]
Rate = Annotated[
    float | None,
    typer.Option(help="Frames per second of folders of images, or in place of those of a video.", min=1, max=2000),
]
RateLimit = Annotated[float | None, typer.Option(help="Thin faster videos to this rate.", min=10, max=2000)]
Jobs = Annotated[
    int | None, typer.Option(help="Processes; each needs about 0.5 GB. Two where there are two cores.", min=1, max=64)
]
DiscardCrops = Annotated[
    bool, typer.Option("--discard-crops", help="Keep no face crops, no film: of the face only the page's pictures.")
]
NoVideo = Annotated[bool, typer.Option("--no-video", help="Put no copy of the film into the page.")]
Reviewed = Annotated[Path | None, typer.Option(help="A review that the page of the video saved.")]
AlarmsPerMinute = Annotated[
    float | None,
    typer.Option(help="False alarms to put up with: fewer find less. 1 unless told.", min=0.05, max=20),
]
Negatives = Annotated[
    Path | None, typer.Option(help="A folder of your own films of ordinary behaviour: they decide the threshold.")
]
Face = Annotated[
    str, typer.Option(help="Whom to follow among several: largest, left, right, or a place from the left, from 1.")
]
Camera = Annotated[int | None, typer.Option(help="Show the live score of this camera, from 0.", min=0)]
Follow = Annotated[Path | None, typer.Option(help="Show the live score of a video that is being written.")]
Keep = Annotated[bool, typer.Option("--keep", help="Of a live session, keep the scores.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to a program."""
    app.command(epilog=example("mer simulate talk --lifelike 20 --subjects 1", "mer analyze talk/person01/film.mp4"))(
        analyze
    )
    app.command(
        "score-spotting",
        epilog=example("mer score-spotting talk/person01/truth.csv analysis/film.mp4/intervals.csv"),
    )(score_spotting)


def analyze(
    videos: Videos = None,
    out: Output = Path("analysis"),
    experiment: Experiment = None,
    fps: Rate = None,
    fps_limit: RateLimit = None,
    jobs: Jobs = None,
    discard_crops: DiscardCrops = False,
    no_video: NoVideo = False,
    reviewed: Reviewed = None,
    alarms_per_minute: AlarmsPerMinute = None,
    negatives: Negatives = None,
    face: Face = "largest",
    camera: Camera = None,
    follow: Follow = None,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Spot the expressions in any video, name them, and draw what was seen: a page, JSON and CSV per video.

    With --json: a list of what each analysis.json holds, with its `folder`
    and `cpu_seconds` by step; of a video that cannot be analysed, `video` and
    `error`.
    """
    from mer.analysis.command import Options, run_analyze
    from mer.analysis.live.session import run_live

    if not videos or camera is not None or follow is not None:
        run_live(videos or [], camera, follow, keep, out, experiment, face, note)
        return
    options = Options(
        out,
        experiment,
        fps,
        fps_limit,
        jobs or min(2, os.cpu_count() or 1),
        not discard_crops,
        alarms_per_minute,
        not no_video,
        reviewed,
        face,
        negatives,
    )
    found, complete = run_analyze(videos, options, note)
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    if not complete:
        raise typer.Exit(Status.REFUSED)


def score_spotting(
    truth: Annotated[Path, typer.Argument(help="True intervals: subject,video,onset,offset,emotion.")],
    prediction: Annotated[Path, typer.Argument(help="Predicted ones, the same columns, or an MEGC submission.")],
    classes: Annotated[
        str, typer.Option(help="Emotions that are recognised, with commas; default: all but others.")
    ] = "",
    matching: Annotated[
        str,
        typer.Option(
            help="one-to-one, or greedy: the published rule, by order of rows.",
            autocompletion=one_of("one-to-one", "greedy"),
        ),
    ] = "one-to-one",
    fps: Annotated[
        float | None, typer.Option(help="Frames per second: rows without type are micro up to 0.5 s.")
    ] = None,
    megc: Annotated[Path | None, typer.Option(help="Also write the predictions as an MEGC submission.")] = None,
    as_json: Json = False,
) -> None:
    """Score anyone's spotted intervals: TP, FP, FN, F1, AP, recognition of what was spotted, STRS.

    With --json: `strs`; `tp`, `fp`, `fn`, `precision_spotting`,
    `recall_spotting`, `f1_spotting`, `ap_50`, `ap_50_95`, `ap_thresholds`;
    `n_analysis`, `tp_analysis`, `fp_analysis`, `fn_analysis`,
    `precision_analysis`, `recall_analysis`, `f1_analysis`, `uf1`, `uar`,
    `accuracy`, `classes`; `by_type`, for `micro`, `macro` and `overall`;
    `videos`, `n_truth`, `n_prediction`, `videos_without_truth` and
    `subjects_without_prediction`.
    """
    from mer.core.registry import lookup
    from mer.spotting.score_intervals import run_score

    lookup({"one-to-one": "", "greedy": ""}, matching, "--matching")
    typer.echo(run_score(truth, prediction, classes, matching, fps, as_json, megc))
