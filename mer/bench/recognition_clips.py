"""The flow of a simulated composite: four frames of every clip, cut out, and given to the true flow stage.

Of a clip only the annotated onset, apex and offset and the frame halfway up are rendered, with the light, the noise and
the compression of its camera. The crop follows the onset's landmarks as a detector would find them, off by a pixel or
two, so that the head's motion stays in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from mer import __version__
from mer.bench.clips import Crop
from mer.bench.in_processes import in_processes
from mer.core.atomic import atomic_path
from mer.core.geometry import apply
from mer.core.seeds import derive_seed
from mer.models.flow_image import area_pool
from mer.motion.grey import grey
from mer.motion.headmotion import centre
from mer.motion.strain import strain
from mer.simulate.camera import develop, expose, flicker_gain
from mer.simulate.composite import Hardness, Shown, composite, own_muscles
from mer.simulate.head import build_head
from mer.simulate.render import Renderer
from mer.simulate.take import Take

SIZE, KEPT = 160, 112
QUALITY = 92
FACTOR = 3.0
MAGNIFIED = 4
# Pairs of the frames onset, rising, apex, offset and magnified apex. Of each there is the flow as it is, which holds
# the head's motion, and `still`, without it.
PAIRS = {"apex": (0, 2), "rising": (0, 1), "falling": (2, 3), "magnified": (0, MAGNIFIED)}
STILL = " still"
EVERY = tuple(name + still for name in PAIRS for still in ("", STILL))


@dataclass(frozen=True)
class FlowClips:
    """Flow of N clips.

    Args:
        fields: a name of `EVERY` -> (N, 3, 112, 112) float16 of u, v (pixels of a crop of 160) and strain.
        landmarks: (N, 68, 2) float32 of the onset, pixels of a crop of 160.
        y: (N,) int64 labels.
        groups: (N,) str, the person of each clip.
        datasets: (N,) str.
    """

    fields: dict[str, np.ndarray]
    landmarks: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    datasets: np.ndarray


def render_clips(
    seed: int,
    hardness: Hardness,
    wanted: Sequence[str] = EVERY,
    jobs: int = 1,
    keep: Path | None = None,
    log: Callable[[str], None] = print,
) -> FlowClips:
    """Render the composite of a seed; with `keep`, people that lie in this folder already are read instead."""
    clips = composite(seed, hardness)
    people = [list(part) for _, part in groupby(clips, key=lambda clip: clip.group)]
    work = partial(_person, seed, hardness, tuple(wanted), keep)
    with in_processes(jobs) as each:
        made = list(each(work, people))
    log(f"recognition: {len(clips)} clips of {len(people)} people, seen through {', '.join(wanted)}")
    return FlowClips(
        {pair: np.concatenate([part[pair] for part in made]) for pair in wanted},
        np.concatenate([part["landmarks"] for part in made]),
        np.array([clip.label for clip in clips]),
        np.array([clip.group for clip in clips]),
        np.array([clip.dataset for clip in clips]),
    )


def _person(
    seed: int, hardness: Hardness, wanted: Sequence[str], keep: Path | None, clips: Sequence[Shown]
) -> dict[str, np.ndarray]:
    """Return the fields of a person's clips by name, and `landmarks`, from the folder `keep` where they lie there."""
    known = derive_seed(seed, "kept", repr(list(clips)), hardness.style, hardness.light, *wanted, __version__)
    path = None if keep is None else keep / f"{known % 10**10:010d}-{clips[0].group}.npz"
    if path is not None and path.exists():
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    fields, landmarks = person_fields(seed, hardness, wanted, clips)
    found = {**fields, "landmarks": landmarks}
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, **found)
    return found


def person_fields(
    seed: int, hardness: Hardness, wanted: Sequence[str], clips: Sequence[Shown]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the fields of a person's clips by pair, each (n, 3, 112, 112) float16, and the landmarks (n, 68, 2)."""
    cv2.setNumThreads(1)
    params, face = clips[0].params, clips[0].plan.face
    head = build_head(params.seed, face, params.width, params.height)
    renderer = Renderer(head, own_muscles(seed, face, hardness.style))
    made = [_clip_fields(Take(clip.params, clip.plan, renderer), clip, hardness.light, wanted) for clip in clips]
    fields = {pair: np.stack([one[0][pair] for one in made]) for pair in made[0][0]}
    return fields, np.stack([one[1] for one in made])


def _clip_fields(
    take: Take, clip: Shown, light: float, wanted: Sequence[str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    names = dict.fromkeys(name.removesuffix(STILL) for name in wanted)
    frames, landmarks = filmed(take, clip, light, {0, 2, *(frame for name in names for frame in PAIRS[name])})
    greys = {k: grey(frame, None) for k, frame in frames.items()}
    if "magnified" in names:
        greys[MAGNIFIED] = grey(magnified_apex(frames[0], frames[2]), None)
    found = {name: estimated(*(greys[frame] for frame in PAIRS[name])) for name in names}
    kept = {}
    for name in wanted:
        field = found[name.removesuffix(STILL)]
        field = centre(field, "similarity", landmarks) if name.endswith(STILL) else field
        kept[name] = area_pool(np.concatenate([field, strain(field)[None]]), KEPT).astype(np.float16)
    return kept, landmarks.astype(np.float32)


def filmed(take: Take, clip: Shown, light: float, needed: Collection[int]) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Return the crops (160, 160, 3) uint8 of the needed ones of onset, rising, apex and offset (0 to 3).

    Also the onset's landmarks (68, 2) in them.
    """
    onset, apex, offset = clip.events
    params, plan = clip.params, clip.plan
    rng = np.random.default_rng(derive_seed(plan.seed, "seen"))
    truth = take.landmarks(onset)
    crop = Crop(truth + rng.normal(0, 0.012 * params.width / 4, 2), SIZE)
    slope = light * rng.uniform(-1, 1, 2)
    across, down = np.meshgrid(np.linspace(-1, 1, params.width), np.linspace(-1, 1, params.height))
    frames = {}
    for k, number in enumerate((onset, (onset + apex) // 2, apex, offset)):
        if k not in needed:
            continue
        share = (number - onset) / max(1, offset - onset)
        shade = 1 + share * (slope[0] * across + slope[1] * down)
        gain = flicker_gain(plan.seed, params.flicker, number, plan.fps)
        seen = take.frame(number) * shade[..., None].astype(np.float32)
        frame = expose(develop(seen, gain), params.noise, plan.seed, number)
        if clip.dataset != "smic":  # whose pictures are bitmaps
            coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
            frame = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
        frames[k] = crop.image(frame)
    return frames, apply(crop.matrix, truth)


def estimated(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the flow (2, 160, 160) between two grey crops by the stage's own default method."""
    from mer.motion.dis import DISOptions, flow

    return flow(first, second, DISOptions())


def magnified_apex(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """Return the apex (160, 160, 3) uint8 magnified by `FACTOR` relative to the onset."""
    from mer.stages.magnify.lagrangian import Params, magnified

    *_, last = magnified(np.stack([onset, apex]), 0, Params(alphas=[FACTOR]))
    return np.asarray(last)[-1] if last.ndim == 4 else np.asarray(last)
