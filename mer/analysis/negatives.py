"""A threshold from a user's own footage: films of ordinary behaviour in which nothing should be found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mer.analysis.face_expressions import motion_along
from mer.analysis.face_models import FaceModels
from mer.analysis.parts import AlignedVideo, gather_track
from mer.core.errors import ConfigError, MerError
from mer.core.filenames import is_video
from mer.spotting.faces import alarm_table


def films_in(folder: Path) -> list[Path]:
    """Return the videos of a folder, in order of name.

    Raises:
        ConfigError: there is none.
    """
    films = sorted(path for path in folder.glob("[!.]*") if is_video(path.name) and path.is_file())
    if not films:
        raise ConfigError("--negatives", f"{folder} holds no video", "films of ordinary behaviour")
    return films


def from_negatives(
    models: FaceModels,
    films: Sequence[Path],
    aligned: Callable[[Path], AlignedVideo],
    log: Callable[[str], None],
) -> FaceModels:
    """Return the models with the threshold that allows their false alarms a minute in films of the user's own.

    Args:
        models: that come with `mer`.
        films: of ordinary behaviour.
        aligned: follows the face of a film and computes its motion.
        log: takes one line.

    Raises:
        ConfigError: no film can be used, or the face is seen for too short to count so few false alarms.
    """
    probabilities: list[float] = []
    minutes = 0.0
    for film in films:
        try:
            video = aligned(film)
            track = gather_track(video)
            found = models.judge(motion_along(video, track)).found
        except MerError as error:
            log(f"mer: {error.line()}")
            continue
        probabilities += [one.probability for one in found if not one.blink]
        minutes += float((~track.blind).sum()) / video.footage.fps / 60
    needed = 1 / models.alarms_per_minute
    if minutes < needed:
        found_minutes = f"a face for {minutes:.1f} minutes in {len(films)} films"
        expected = f"at least {needed:.1f} minutes for {models.alarms_per_minute:g} false alarms a minute"
        raise ConfigError("--negatives", found_minutes, expected, "more films, or a larger --alarms-per-minute")
    table = alarm_table(np.array(probabilities), np.ones(len(probabilities)), minutes)
    own = models.accepting(table, minutes)
    log(f"threshold {own.threshold:.2f} from {minutes:.1f} minutes of {len(films)} films")
    return own
