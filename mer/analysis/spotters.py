"""What spots in a video: the models that come with `mer`, or those of a user's experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mer.analysis.expressions import Spotted
from mer.analysis.face_expressions import spot_faces
from mer.analysis.face_models import ALARMS_PER_MINUTE, BUNDLED, FaceModels
from mer.analysis.parts import AlignedVideo, Track
from mer.core.errors import ConfigError
from mer.weights.locate import locate

if TYPE_CHECKING:
    from mer.analysis.ensemble import Ensemble

Spotters: TypeAlias = "FaceModels | Ensemble"


def open_spotters(experiment: Path | None = None, alarms_per_minute: float | None = None) -> Spotters:
    """Return what spots.

    Args:
        experiment: `results/spotting/<name>` or one checkpoint of such an experiment; None for what comes with `mer`.
        alarms_per_minute: false alarms that are accepted, of the models that come with `mer`; 1 when None.

    Raises:
        ModelError: the models cannot be used.
        ConfigError: a rate of false alarms is given for models that know none.
    """
    if experiment is None:
        return FaceModels(locate(BUNDLED), ALARMS_PER_MINUTE if alarms_per_minute is None else alarms_per_minute)
    if alarms_per_minute is not None:
        found = "--alarms-per-minute with --experiment"
        raise ConfigError(found, "its models have thresholds of their own", "one of both")
    # The networks of an experiment want PyTorch, which takes longer to load than a short film.
    from mer.analysis.ensemble import open_ensemble

    return open_ensemble(experiment)


def spot(video: AlignedVideo, spotters: Spotters, track: Track) -> Spotted:
    """Spot and name in a whole video.

    Raises:
        MediaError: nothing of it can be judged.
    """
    if isinstance(spotters, FaceModels):
        return spot_faces(video, spotters, track)
    from mer.analysis.ensemble_expressions import spot_expressions

    return spot_expressions(video, spotters, track)
