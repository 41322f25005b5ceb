"""A recording with any number of expressions as a function of time, and as its camera sees it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate import timeline
from mer.simulate.camera import develop, expose, flicker_gain
from mer.simulate.distractions import turns, with_speech
from mer.simulate.exact import weighted
from mer.simulate.head import frame_scale
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Interval, Recording
from mer.simulate.take import Take
from mer.simulate.tree import Sensor

LUMINANCE = {"grey": (0.2126, 0.7152, 0.0722), "infrared": (0.85, 0.12, 0.03)}
BLINK_REST = 0.2
BLINK_SLOT = 2.0
WALL_MILLIMETRES, HEAD_MILLIMETRES = 1500, 700


class Footage(Take):
    """A recording with any number of expressions as a function of time; numbers are those of its files.

    Args:
        params: the database's parameters.
        recording: what is filmed.
    """

    def __init__(self, params: SimulateParams, recording: Recording) -> None:
        spoken = with_speech(params, recording)
        self.events = spoken.events
        super().__init__(params, _whole(spoken))
        fps = recording.fps
        turned = turns(params, recording, frame_scale(params.width, params.height))
        self.head_motion = replace(self.head_motion, turns=turned)
        blinks = [timeline.draw_blink(e.seed, params.blink, e.onset, e.offset, fps) for e in recording.events]
        self.blinks = [blink for blink in (*blinks, *_between(params, recording)) if blink]

    def levels(self, time: float) -> np.ndarray:
        """Return the intensity of the units of every expression in turn (n_units,) at `time`."""
        at = np.asarray(time, dtype=np.float64)
        each = [timeline.intensities(e.units, e.onset, e.apex, e.offset, at) for e in self.events]
        return np.concatenate([np.zeros(0), *each])

    def closure(self, time: float) -> float:
        """Return how far the lids are closed at `time`, 0 to 1."""
        at = np.asarray(time, dtype=np.float64)
        return max((float(blink.closure(at)) for blink in self.blinks), default=0.0)

    def film(self, params: SimulateParams, sensor: Sensor, number: int) -> np.ndarray:
        """Return frame `number` as the camera sees it: (H, W, 3) uint8 RGB, or (H, W) where the sensor is grey."""
        light = self.frame(number)
        if sensor != "colour":
            light = weighted(light, LUMINANCE[sensor])
        gain = flicker_gain(self.clip.seed, params.flicker, number, self.clip.fps)
        frame = expose(develop(light, gain), params.noise, self.clip.seed, number)
        return np.repeat(frame[..., None], 3, axis=2) if sensor == "infrared" else frame

    def depth(self, number: int) -> np.ndarray:
        """Return the distance (H, W) uint16 in millimetres: the wall, and the head as a plane in front of it."""
        opacity = self.renderer.opacity(self.renderer.material(self.state(number)))
        nearer = (WALL_MILLIMETRES - HEAD_MILLIMETRES) * np.clip(opacity, 0, 1)
        return np.rint(WALL_MILLIMETRES - nearer).astype(np.uint16)


def _whole(recording: Recording) -> ClipPlan:
    """Return a recording as one clip that holds the units of all its expressions."""
    first, last = recording.numbers[0], recording.numbers[-1]
    units = tuple(unit for event in recording.events for unit in event.units)
    whole = Interval(first, first, last, recorded=last)
    return recording.session.event(recording.name, "", units, whole, recording.numbers)


def _between(params: SimulateParams, recording: Recording) -> list[timeline.Blink | None]:
    """Draw the blinks in the rests before, between and after the expressions, clear of them: one try in each 2 s."""
    ends = [recording.numbers[0], *(n for e in recording.events for n in (e.onset, e.offset)), recording.numbers[-1]]
    rest = round(BLINK_REST * recording.fps)
    blinks = []
    for k, (start, end) in enumerate(zip(ends[::2], ends[1::2], strict=True)):
        if end - start <= 2 * rest:
            continue
        tries = max(1, int((end - start - 2 * rest) / (BLINK_SLOT * recording.fps)))
        edges = np.linspace(start + rest, end - rest, tries + 1)
        for n, (first, last) in enumerate(pairwise(edges)):
            seed = derive_seed(recording.seed, "rest", k, *([n] if n else []))
            blinks.append(timeline.draw_blink(seed, params.blink, float(first), float(last), recording.fps))
    return blinks
