"""Stages in the order of the journey, and the methods of each.

Adding a method is one file and one line here. A stage module has
`process(source: Source, out: ClipWriter, method: ModuleType, params: Params) -> None`; a method module
has a `Params` class, and imports what is heavier than NumPy inside its functions, so that reading a
configuration stays fast.
"""

from __future__ import annotations

STAGES: dict[str, str] = {
    "frames": "mer.stages.frames.stage",
    "align": "mer.stages.align.stage",
    "interpolate": "mer.stages.interpolate.stage",
    "magnify": "mer.stages.magnify.stage",
    "flow": "mer.stages.flow.stage",
    "rois": "mer.stages.rois.stage",
    "spot": "mer.stages.spot.stage",
}

METHODS: dict[str, dict[str, str]] = {
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
