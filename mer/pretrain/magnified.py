"""Pairs of pictures with small motion, and the second one truly magnified: what MagNet is trained and judged on.

Half of a batch shows simulated faces (`mer.simulate`), rendered at the three intensities of an expression that a gain
relates, so that the truth is a rendering and no warp. The other half shows procedural textures under smooth fields of
displacement u: a point m of the first picture lies at m + u(m) in the second and at m + gain u(m) in the truth. No
photograph but the simulator's own, and no recording of anyone, goes in. Sample k of step n depends on the seed, k and
n alone; people and textures of different `split`s never coincide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional

from mer.core.errors import MediaError
from mer.core.geometry import apply
from mer.core.seeds import derive_seed
from mer.simulate.camera import develop
from mer.simulate.expression import COMBINATIONS, UnitPlan, draw_units
from mer.simulate.geometry import Deformation, dense_displacement
from mer.simulate.head import build_head
from mer.simulate.render import Renderer

FRAMES = ((448, 336), (352, 264))  # The eyes are as far apart as in crops of 224 and of 176 pixels.
PEOPLE = 60
SCENES_PER_PERSON, STEPS_PER_SCENE = 8, 3
SMALLEST, LARGEST = 0.08, 2.5  # Peak displacement of the second picture, pixels.
REACH = 8.0  # Largest displacement of the truth, pixels.
GAINS = (1.0, 12.0)
STEEPEST = 0.6  # Largest slope of a magnified procedural field, so that it does not fold and its inverse converges.
MARGIN = 14
STRONGEST = 6.0  # Intensity of an action unit beyond which skin may fold.


# The second picture, the truth, the way back from its pixels to the second picture, and the gain.
Pair = tuple[np.ndarray, np.ndarray, np.ndarray, float]


@dataclass(frozen=True)
class Samples:
    """Pictures (N, 3, S, S) float32, RGB grey levels 0-255: `first` and `second` are whole numbers with noise.

    `truth` is without noise; `gain` (N,) float32 relates the displacements; `field` (N, 2, S, S) float32 pixels
    (u right, v down) leads from a pixel of the truth to the same point in `second`.
    """

    first: torch.Tensor
    second: torch.Tensor
    truth: torch.Tensor
    gain: torch.Tensor
    field: torch.Tensor

    def join(self, other: Samples) -> Samples:
        """Return both, one after the other."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Samples(*(torch.cat([a, b]) for a, b in pairs))


def batch(seed: int, step: int, size: int, count: int, noise: float = 3.0, split: str = "train") -> Samples:
    """Return the samples of one step, half faces and half textures.

    Args:
        seed: the run's seed.
        step: number of the step.
        size: side of the pictures in pixels, a multiple of 4.
        count: number of samples, even.
        noise: largest standard deviation of noise, grey levels; drawn per sample.
        split: name of a set of people and textures.
    """
    return faces(seed, step, size, count // 2, noise, split).join(textures(seed, step, size, count // 2, noise, split))


@dataclass(frozen=True)
class Motion:
    """A person's expression: its units at intensity 1, the head's pose, and where the skin moves.

    `points` (P, 2) are frame pixels of the face, `lengths` (P,) the displacement there at intensity 1 in pixels.
    """

    renderer: Renderer
    units: tuple[UnitPlan, ...]
    pose: np.ndarray
    points: np.ndarray
    lengths: np.ndarray

    @property
    def peak(self) -> float:
        """Largest displacement at intensity 1, pixels."""
        return float(self.lengths.max())

    @property
    def strongest(self) -> float:
        """Largest intensity that is asked for."""
        return min(STRONGEST / max(unit.peak for unit in self.units), REACH / self.peak)

    def frame(self, intensity: float) -> np.ndarray:
        """Return the frame (H, W, 3) float32, grey levels without noise; raises `MediaError` where skin folds."""
        levels = tuple(intensity * unit.peak for unit in self.units)
        return develop(self.renderer.frame(Deformation(self.pose, self.units, levels)))

    def back(self, there: float, here: float) -> np.ndarray:
        """Return the way (2, H, W) float32 from every pixel at intensity `there` to the same point at `here`."""
        units = [unit.peak for unit in self.units]
        state = Deformation(self.pose, self.units, tuple(there * peak for peak in units))
        moved = dense_displacement(self.renderer.fields, self.units, units, self.renderer.material(state))
        return ((here - there) * np.einsum("ij,yxj->iyx", self.pose[:, :2], moved)).astype(np.float32)


def draw_motion(run_seed: int, person: int, size: tuple[int, int], rng: np.random.Generator) -> Motion:
    """Draw an expression of one person and a pose of the head within a few pixels and degrees."""
    head = build_head(run_seed, person, *size)
    renderer = Renderer(head)
    emotions = sorted(COMBINATIONS)
    units = draw_units(emotions[rng.integers(len(emotions))], 1.0, 1.0, rng)
    middle, turn, zoom = head.landmarks[30], np.deg2rad(rng.uniform(-4, 4)), rng.uniform(0.94, 1.06)
    linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    pose = np.concatenate([linear, (middle - linear @ middle + rng.uniform(-3, 3, 2))[:, None]], axis=1)
    low, high = head.landmarks.min(0) - renderer.fields.iod * 0.4, head.landmarks.max(0) + renderer.fields.iod * 0.1
    grid = np.stack(np.meshgrid(np.arange(low[0], high[0], 4), np.arange(low[1], high[1], 4)), -1).reshape(-1, 2)
    moved = renderer.fields.displacement(units, [unit.peak for unit in units], grid)
    return Motion(renderer, units, pose, apply(pose, grid), zoom * np.hypot(moved[:, 0], moved[:, 1]))


@dataclass(frozen=True)
class Scene:
    """A motion, the frame (H, W, 3) it starts from, and for each gain a pair.

    A pair is the moved frame, the truly magnified one, the way (2, H, W) back from that, and the gain.
    """

    motion: Motion
    first: np.ndarray
    magnified: tuple[Pair, ...]


@lru_cache(maxsize=1)
def scene(seed: int, number: int, split: str) -> Scene:
    """Render scene `number`: a starting frame and two pairs; the last scene is kept in memory."""
    rng = np.random.default_rng(derive_seed(seed, "scene", split, number))
    block = number // SCENES_PER_PERSON
    people = np.random.default_rng(derive_seed(seed, "people", split, block // PEOPLE)).permutation(PEOPLE)
    person = int(people[block % PEOPLE])
    motion = draw_motion(derive_seed(seed, "run", split), person, FRAMES[person % 2], rng)
    rest = rng.uniform(0, 1.0 / motion.peak) if rng.random() < 0.3 else 0.0
    pairs = tuple(_magnified(motion, rest, rng) for _ in range(2))
    return Scene(motion, motion.frame(rest), pairs)


def faces(seed: int, step: int, size: int, count: int, noise: float, split: str) -> Samples:
    """Return `count` patches of one person's expression, at two gains."""
    rng = np.random.default_rng(derive_seed(seed, "faces", split, step))
    shown = scene(seed, step // STEPS_PER_SCENE, split)
    rows = []
    for second, truth, field, gain in shown.magnified:
        for _ in range(count // 2):
            window = _window(shown.motion, size, rng)
            pictures = [image[window].transpose(2, 0, 1) for image in (shown.first, second, truth)]
            rows.append((*_filmed(pictures, noise, rng), np.float32(gain), field[(slice(None), *window)]))
    return Samples(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))


def _magnified(motion: Motion, rest: float, rng: np.random.Generator) -> Pair:
    # A gain that would fold the skin is brought nearer to 1 until it does not.
    step = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))) / motion.peak
    step = min(step, motion.strongest - rest)
    if rest > step and rng.random() < 0.5:
        step = -step
    gain = float(np.exp(rng.uniform(*np.log(GAINS))))
    gain = min(gain, (motion.strongest - rest) / step) if step > 0 else min(gain, (rest + motion.strongest / 3) / -step)
    while True:
        try:
            second, truth = rest + step, rest + gain * step
            return motion.frame(second), motion.frame(truth), motion.back(truth, second), gain
        except MediaError:
            if abs(gain - 1) < 0.01:
                raise
            gain = 1 + (gain - 1) / 2


def _window(motion: Motion, size: int, rng: np.random.Generator) -> tuple[slice, slice]:
    weight = motion.lengths**2 if rng.random() < 0.75 else np.ones_like(motion.lengths)
    centre = motion.points[rng.choice(len(weight), p=weight / weight.sum())] + rng.uniform(-size / 4, size / 4, 2)
    limits = np.array([motion.renderer.width, motion.renderer.height]) - size
    left, top = np.clip(np.rint(centre - size / 2), 0, limits).astype(int)
    return slice(top, top + size), slice(left, left + size)


def _filmed(pictures: list[np.ndarray], noise: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Return (first, second, truth): the latter two under another light, the first two with noise, in whole levels."""
    first, second, truth = pictures
    if rng.random() < 0.3:
        slope, shift = rng.uniform(0.96, 1.04), rng.uniform(-3, 3, (3, 1, 1))
        second, truth = second * slope + shift, truth * slope + shift
    sigma = noise * rng.uniform() ** 2
    soft = rng.uniform(0, 0.8) if rng.random() < 0.3 else 0.0
    filmed = [np.clip(np.rint(image + grain(image.shape, sigma, soft, rng)), 0, 255) for image in (first, second)]
    return [image.astype(np.float32) for image in (*filmed, np.clip(truth, 0, 255))]


def grain(shape: tuple[int, ...], sigma: float, soft: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise (3, H, W) of standard deviation `sigma`, blurred by a Gaussian of `soft` pixels."""
    from scipy.ndimage import gaussian_filter

    plain = rng.standard_normal(shape, dtype=np.float32)
    if soft > 0.2:
        plain = gaussian_filter(plain, (0, soft, soft))
        plain /= plain.std()
    return sigma * plain


def textures(seed: int, step: int, size: int, count: int, noise: float, split: str) -> Samples:
    """Return `count` procedural textures under smooth displacement; one in twenty stands still."""
    rng = np.random.default_rng(derive_seed(seed, "textures", split, step))
    chance = torch.Generator().manual_seed(derive_seed(seed, "textures in torch", split, step))
    gain = np.exp(rng.uniform(np.log(GAINS[0]), np.log(GAINS[1]), count)).astype(np.float32)
    gains = torch.from_numpy(gain)[:, None, None, None]
    peak = np.minimum(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), count)), REACH / gain)
    field = _field(size + 2 * MARGIN, peak.astype(np.float32) * (rng.random(count) > 0.05), gains, rng, chance)
    canvas = _texture(2 * (size + 2 * MARGIN), count, rng, chance)
    here = torch.stack(torch.meshgrid(*[torch.arange(size) + float(MARGIN)] * 2, indexing="xy")).expand(
        count, -1, -1, -1
    )
    rows = []
    origins = [_origin(field, here, factor) for factor in (0 * gains, 0 * gains + 1, gains)]
    views = [_view(canvas, origin) for origin in origins]
    # x = m + gain u(m) lies at m + u(m) in the second picture.
    back = (origins[2] - here) * (1 - 1 / gains)
    for k in range(count):
        rows.append((*_filmed([view[k].numpy() for view in views], noise, rng), gain[k], back[k].numpy()))
    return Samples(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))


def _field(
    side: int, peak: np.ndarray, gain: torch.Tensor, rng: np.random.Generator, chance: torch.Generator
) -> torch.Tensor:
    """Return displacements (N, 2, side, side) whose longest is `peak` unless the truth would be too steep."""
    fields = []
    for length in peak:
        nodes = int(rng.integers(3, 8))
        coarse = torch.randn(1, 2, nodes, nodes, generator=chance) + 0.7 * torch.randn(1, 2, 1, 1, generator=chance)
        dense = functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
        fields.append(dense * float(length) / dense.norm(dim=1).max())
    field = torch.cat(fields)
    slopes = [field.diff(dim=axis).abs().flatten(1).amax(1) for axis in (2, 3)]
    steepest = gain * (slopes[0] + slopes[1])[:, None, None, None]
    return field * (STEEPEST / steepest.clamp_min(1e-6)).clamp_max(1)


def _origin(field: torch.Tensor, here: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return the points m (N, 2, S, S) with m + factor u(m) = here, by fixed-point iteration."""
    last = field.shape[-1] - 1
    points = here
    for _ in range(18 if float(factor.max()) > 1 else 9 if float(factor.max()) > 0 else 0):
        where = (points * (2 / last) - 1).permute(0, 2, 3, 1)
        moved = functional.grid_sample(field, where, padding_mode="border", align_corners=True)
        points = here - factor * moved
    return points


def _view(canvas: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return the canvas, two texels per pixel, at points (N, 2, S, S) in pixels."""
    where = (2 * points * (2 / (canvas.shape[-1] - 1)) - 1).permute(0, 2, 3, 1)
    return functional.grid_sample(canvas, where, mode="bicubic", padding_mode="border", align_corners=True)


def _texture(side: int, count: int, rng: np.random.Generator, chance: torch.Generator) -> torch.Tensor:
    """Return textures (N, 3, side, side) in grey levels: noise of several scales, and patches with soft edges."""
    out = []
    for _ in range(count):
        slope, tint = rng.uniform(0.5, 1.5), rng.uniform(0, 0.6)
        image = torch.zeros(1, 3, side, side)
        for nodes in (4, 8, 16, 32, 64, 92):
            coarse = torch.randn(1, 1, nodes, nodes, generator=chance)
            coarse = coarse + tint * torch.randn(1, 3, nodes, nodes, generator=chance)
            image += nodes**-slope * functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
        image /= image.std()
        for _ in range(int(rng.integers(0, 5))):
            nodes, sharp = int(rng.integers(3, 12)), rng.uniform(0.2, 3)
            coarse = torch.randn(1, 1, nodes, nodes, generator=chance)
            ridge = functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
            slope_here = (ridge.diff(dim=3).abs().mean() + 1e-6) * 2
            colour = torch.from_numpy(rng.normal(0, 1.5, (1, 3, 1, 1)) * 0.4 + rng.normal(0, 1.5)).float()
            image = image + colour * torch.sigmoid((ridge - float(rng.uniform(-0.5, 0.5))) / slope_here / sharp)
        image = (image - image.mean()) / image.std()
        base = torch.from_numpy(rng.uniform(60, 190, (1, 3, 1, 1))).float()
        out.append(base + float(np.exp(rng.uniform(np.log(4), np.log(55)))) * image)
    return torch.cat(out).clamp(0, 255)
