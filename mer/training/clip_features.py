"""What a model sees of one clip, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.models.contract import Model, Units


def features_of(
    clips: Mapping[str, Clip], model: Model, preset: Any, units: Units, device: str
) -> Mapping[str, np.ndarray]:
    """Return the features of one clip by name; a model's single array is named ''.

    Args:
        clips: the clip in each input.
        model: its card.
        preset: settings.
        units: annotated action units, for a model that sees them.
        device: where features of costly presets are computed.

    Raises:
        ClipError: the clip cannot be used.
        ModelError: features that are not finite, or a product of the wrong kind.
        ContainerError: a product lacks an array.
    """
    for name, clip in clips.items():
        for array in model.inputs[name]:
            clip.lazy(array)
    named = {"device": device} if model.costly else {}
    given = (units,) if "features" in model.units else ()
    value = model.features(clips, preset, *given, **named)
    arrays = value if isinstance(value, dict) else {"": value}
    for numbers in arrays.values():
        if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            clip = next(iter(clips.values()))
            where, found = clip.path, f"features of clip {clip.sample_id} are not finite"
            raise ModelError(where, found, "finite numbers", "look at what the model's `features` does to it")
    return arrays  # type: ignore[return-value]
