"""Triplets of frames to learn interpolation from: simulated faces and procedural patterns in motion, nothing filmed.

Every triplet follows from the seed and its number alone. Faces are those of `mer.simulate` under the run seeds of
`face_seed`, which no bench or test uses: identities and textures of the measurements are never trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mer.core.errors import MediaError
from mer.core.levels import as_uint8
from mer.core.seeds import derive_seed

SIDE = 112
FRAME = (480, 360)
CROPS = 4
#: Longest motion of a triplet between its outer frames, pixels.
LONGEST = 14.0


@dataclass(frozen=True)
class Triplet:
    """Two frames as a camera would give them, and the clean one between them.

    Args:
        first: (S, S, 3) uint8 RGB, with noise, flicker and compression.
        second: the same.
        middle: (S, S, 3) uint8 RGB, without any of it.
        time: where between them the middle one lies, in (0, 1).
    """

    first: np.ndarray
    second: np.ndarray
    middle: np.ndarray
    time: float


def face_seed(seed: int) -> int:
    """Return the simulator's run seed for training faces."""
    return derive_seed(seed, "pretraining faces") % 2**31


def draw_time(rng: np.random.Generator) -> float:
    """Return the middle's time: half of them at 0.5, which the measurements ask for."""
    return 0.5 if rng.random() < 0.5 else float(rng.uniform(0.08, 0.92))


def faces(seed: int, subject: int, count: int) -> Iterator[Triplet]:
    """Yield `count` triplets of one simulated person; every rendered triplet gives `CROPS` of them."""
    from mer.simulate.params import SimulateParams
    from mer.simulate.registry import plan
    from mer.simulate.take import Take

    width, height = FRAME
    size = {"subjects": subject + 1, "clips": 3, "width": width, "height": height}
    params = SimulateParams(seed=face_seed(seed), quirks=False, drift=6, blink=0.4, **size)
    clips = [clip for clip in plan(params) if clip.face == subject]
    renderer = None
    made = 0
    for number in range(2 * count):
        if made >= count:
            return
        rng = np.random.default_rng(derive_seed(seed, "face triplet", subject, number))
        take = Take(params, clips[int(rng.integers(len(clips)))], renderer)
        renderer = take.renderer
        time = draw_time(rng)
        try:
            frames = _face_frames(take, time, rng)
        except MediaError:
            continue  # The skin would fold over itself.
        landmarks = take.renderer.head.landmarks
        for _ in range(min(CROPS, count - made)):
            yield degraded(_cropped(frames, landmarks, rng), time, rng)
            made += 1


def _face_frames(take: object, time: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Return first, middle and second (H, W, 3) uint8: pose and expression change at a constant speed."""
    from dataclasses import replace

    from mer.simulate.camera import develop, to_bytes
    from mer.simulate.take import Take

    assert isinstance(take, Take)
    clip = take.clip
    start = float(rng.uniform(clip.onset, clip.offset))
    gap = float(10 ** rng.uniform(0, 1.4)) * (1 if rng.random() < 0.5 else -1)
    factor = float(10 ** rng.uniform(-0.4, 0.5))
    one, two = take.state(start, factor), take.state(start + gap, factor)
    shift = _shift(rng)
    states = []
    for share in (0.0, time, 1.0):
        pose = (1 - share) * one.pose + share * two.pose
        pose[:, 2] += share * shift
        levels = tuple((1 - share) * a + share * b for a, b in zip(one.levels, two.levels, strict=True))
        closure = (1 - share) * one.closure + share * two.closure
        states.append(replace(one, pose=pose, levels=levels, closure=closure))
    return [to_bytes(develop(take.renderer.frame(state))) for state in states]


def _shift(rng: np.random.Generator) -> np.ndarray:
    """Return a translation (2,) in pixels: none in a third of the cases, else of any length up to `LONGEST`."""
    if rng.random() < 0.33:
        return np.zeros(2)
    angle, length = rng.uniform(0, 2 * np.pi), 10 ** rng.uniform(-1.3, np.log10(LONGEST))
    return np.array([np.cos(angle), np.sin(angle)]) * length


def _cropped(frames: list[np.ndarray], landmarks: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the same crop (S, S, 3) of each frame, turned and scaled at random, near a landmark."""
    from mer.stages.align.warp import antialias_sigma, crop

    scale, angle = float(rng.uniform(0.75, 1.35)), float(rng.normal(0, 0.15))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    centre = landmarks[int(rng.integers(len(landmarks)))] + rng.normal(0, 18, 2)
    matrix = np.concatenate([linear, ((SIDE - 1) / 2 - linear @ centre)[:, None]], axis=1)
    return [crop(frame, matrix, SIDE, antialias_sigma(scale)) for frame in frames]


def degraded(frames: list[np.ndarray], time: float, rng: np.random.Generator) -> Triplet:
    """Give the outer frames noise, flicker and compression; a third of the triplets stay clean."""
    first, middle, second = frames
    if rng.random() < 0.33:
        return Triplet(first, second, middle, time)
    sigma = float(rng.uniform(0.2, 4)) if rng.random() < 0.8 else 0.0
    spread = float(rng.choice([0.0, 0.7])) if rng.random() < 0.4 else 0.0
    quality = int(rng.integers(60, 98)) if rng.random() < 0.35 else 0
    flicker = 0.004 if rng.random() < 0.3 else 0.0
    made = [_photographed(frame, sigma, spread, quality, flicker, rng) for frame in (first, second)]
    return Triplet(made[0], made[1], middle, time)


def _photographed(
    frame: np.ndarray, sigma: float, spread: float, quality: int, flicker: float, rng: np.random.Generator
) -> np.ndarray:
    import cv2

    noise: np.ndarray = sigma * rng.standard_normal(frame.shape)
    if spread:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), spread)) * 2
    levels = frame * (1 + flicker * rng.standard_normal()) + noise
    seen = as_uint8(levels)
    if not quality:
        return seen
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(seen[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]


def pattern(seed: int, number: int) -> Triplet:
    """Return a triplet of a procedural texture that moves smoothly, half of them behind a moving shape."""
    import cv2

    rng = np.random.default_rng(derive_seed(seed, "pattern triplet", number))
    time = draw_time(rng)
    scene, field = _texture(rng), _field(rng)
    cover, shape, drift = _texture(rng), _shape(rng), _shift(rng)
    covered = rng.random() < 0.5
    frames = []
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) + LONGEST
    for share in (-time, 0.0, 1 - time):
        # Texels are half a pixel wide.
        u, v = (np.float32(2) * (axis - np.float32(share) * f) for axis, f in zip((x, y), field, strict=True))
        frame = cv2.remap(scene, u, v, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
        if covered:
            u, v = (np.float32(2) * (axis - np.float32(share * d)) for axis, d in zip((x, y), drift, strict=True))
            front = cv2.remap(cover, u, v, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
            part = np.clip(cv2.remap(shape, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), 0, 1)[..., None]
            frame = frame + part * (front - frame)
        frames.append(as_uint8(frame))
    return degraded(frames, time, rng)


def _texels() -> int:
    return 2 * (SIDE + round(2 * LONGEST))


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Return (N, N, 3) float32, 0-255: noise of a random spectrum in two colours, with a few hard-edged shapes."""
    import cv2

    size = _texels()
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    slope = rng.uniform(0.8, 2.2)
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / np.maximum(frequency, 1 / size) ** slope
    plane = np.fft.irfft2(spectrum * np.exp(-((frequency / rng.uniform(0.1, 0.22)) ** 2)), (size, size))
    plane = plane / (plane.std() + 1e-9)
    colours = rng.uniform(20, 235, 3), rng.uniform(-50, 50, 3)
    image = (colours[0] + plane[..., None] * colours[1]).astype(np.float32)
    for _ in range(int(rng.integers(0, 6))):
        points = (rng.uniform(0, size, 2) + rng.normal(0, size / 8, (int(rng.integers(3, 7)), 2))).astype(np.int32)
        mask = cv2.fillPoly(np.zeros((size, size), np.float32), [points.reshape(-1, 1, 2)], 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.9, 2.5))[..., None]
        image += mask * (rng.uniform(0, 255, 3) - image).astype(np.float32) * np.float32(rng.uniform(0.3, 1))
    return np.clip(image, 0, 255)


def _shape(rng: np.random.Generator) -> np.ndarray:
    """Return the opacity (N, N) float32 of an ellipse with soft edges."""
    import cv2

    size = _texels()
    centre, axes = rng.uniform(0.25, 0.75, 2) * size, rng.uniform(0.06, 0.3, 2) * size
    points = tuple(int(value) for value in centre), tuple(int(value) for value in axes)
    mask = cv2.ellipse(np.zeros((size, size), np.float32), *points, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.9, 2.0)))


def _field(rng: np.random.Generator) -> np.ndarray:
    """Return a smooth motion field (2, S, S) float32, pixels: a translation and a few bumps."""
    import cv2

    coarse = int(rng.integers(3, 7))
    nodes = [rng.standard_normal((coarse, coarse)) for _ in "uv"]
    bumps = [cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for plane in nodes]
    # A bump steeper than the distance of its nodes would tear the picture.
    size = min(10 ** rng.uniform(-1.5, 0.8), 0.12 * SIDE / coarse)
    return np.asarray(np.stack(bumps) * size + _shift(rng)[:, None, None], np.float32)
