"""Simulated people as films of the bench: what they do is known exactly, and so is the cause of a false alarm.

They blink, look about, speak, nod, turn, swallow, pass a hand before their face and show macro-expressions, on heads
that sway the more the higher their number; micro-expressions are implanted as into any other film.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.analysis.bench.causes import NEAR
from mer.core.seeds import derive_seed
from mer.simulate.images import VideoFile

SECONDS, FPS, SIZE = 30.0, 30.0, (480, 360)
SWAYS = (0.0, 0.3, 0.6, 1.0)
#: What happens, as a cause of `mer.analysis.bench.causes.CAUSES`; what is not named here has no cause of its own.
CAUSE_OF = {
    **dict.fromkeys(("blink", "half_blink", "double_blink"), "blink"),
    **dict.fromkeys(("speech", "chewing", "swallow"), "speech"),
    **dict.fromkeys(("turn", "nod", "zoom"), "head"),
    **dict.fromkeys(("hand", "away", "cut"), "cut or occlusion"),
    "macro": "macro",
}
NOTHING = "nothing of these"


@dataclass(frozen=True)
class Happening:
    """Something that a simulated person does: its cause by `CAUSE_OF`, and its first and last frame."""

    cause: str
    first: int
    last: int


def write_person(number: int, path: Path) -> list[Happening]:
    """Film a simulated person, and return what happens in the film.

    Args:
        number: of the person, from 0.
        path: of the video, `SECONDS` long.
    """
    from mer.simulate.habits import Habits
    from mer.simulate.lifelike import lifelike

    habits = Habits(micro=0, macro=4, blink=12, gaze=6, turn=3, nod=3, sway=SWAYS[number % len(SWAYS)], talk=0.25,
                    swallow=1, hand=1)  # fmt: skip
    recording = lifelike(derive_seed(0, "bench", number), SECONDS, FPS, SIZE, habits)
    with VideoFile(path, FPS) as out:
        for frame in recording.frames():
            out.add(frame)
    happened = [(CAUSE_OF.get(event.kind), event) for event in recording.events]
    return [Happening(cause, event.first, event.last) for cause, event in happened if cause]


def true_causes(candidate: Mapping[str, Any], happenings: Sequence[Happening], fps: float) -> list[str]:
    """Return the causes of all that happens within `NEAR` s of a candidate, each once, sorted."""
    near = NEAR * fps
    first, last = candidate["onset"] - near, candidate["offset"] + near
    return sorted({one.cause for one in happenings if one.first <= last and first <= one.last})
