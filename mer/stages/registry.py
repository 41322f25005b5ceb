"""Stages in the order of the journey, and the methods of each, by the modules that hold them.

Adding a method is one file that ends in `METHOD = ...` and one line here; what it must have is in `method.py` of its
stage and in `mer.stages.contract`.
"""

from __future__ import annotations

from typing import Any

from mer.core.registry import Registry, load
from mer.stages.contract import Stage

STAGES: dict[str, str] = {
    "frames": "mer.stages.frames.stage",
    "align": "mer.stages.align.stage",
    "interpolate": "mer.stages.interpolate.stage",
    "magnify": "mer.stages.magnify.stage",
    "flow": "mer.stages.flow.stage",
    "rois": "mer.stages.rois.stage",
    "spot": "mer.stages.spot.stage",
}

_SHIPPED: dict[str, dict[str, str]] = {
    "frames": {"list": "mer.stages.frames.listing"},
    "align": {"dlib": "mer.stages.align.dlib68", "published_crop": "mer.stages.align.published_crop"},
    "interpolate": {
        "linear": "mer.stages.interpolate.linear",
        "tim": "mer.stages.interpolate.tim",
        "flow": "mer.stages.interpolate.flow_warp",
        "rife": "mer.stages.interpolate.rife",
    },
    "magnify": {
        "lagrangian": "mer.stages.magnify.lagrangian",
        "eulerian": "mer.stages.magnify.eulerian",
        "phase": "mer.stages.magnify.phase",
        "magnet": "mer.stages.magnify.magnet",
    },
    "flow": {
        "micro": "mer.stages.flow.micro",
        "tvl1": "mer.stages.flow.tvl1",
        "dis": "mer.stages.flow.dis",
        "farneback": "mer.stages.flow.farneback",
        "black_anandan": "mer.stages.flow.black_anandan",
        "published": "mer.stages.flow.published",
    },
    "rois": {
        "au_boxes": "mer.stages.rois.au_boxes",
        "patches30": "mer.stages.rois.patches30",
        "published_boxes": "mer.stages.rois.published_boxes",
    },
    "spot": {
        "clean": "mer.stages.spot.clean",
        "published": "mer.stages.spot.published",
    },
}
METHODS = {stage: Registry("METHOD", methods, within=stage) for stage, methods in _SHIPPED.items()}


def load_stage(name: str) -> Stage[Any, Any]:
    """Import a stage and return its declaration.

    Raises:
        ConfigError: no stage has this name.
    """
    declared: Stage[Any, Any] = load(STAGES, name, "stage").STAGE
    return declared


def load_method(stage: str, name: str, where: str) -> Any:
    """Import a method and return it, an object of the class in `method.py` of its stage.

    Args:
        stage: one of `STAGES`.
        name: of the method.
        where: what asks for it, in messages.

    Raises:
        ConfigError: the stage has no method of this name; the message names the nearest valid one.
    """
    return METHODS[stage].load(name, where)
