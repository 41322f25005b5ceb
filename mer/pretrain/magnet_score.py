"""How MagNet does on people it never saw, and the curve of factors obtained for those asked.

Pictures come from the simulator, with the expression's peak displacement set to a given number of pixels, noise in
both frames, and the magnified frame rendered. The displacement obtained is found by `mer.bench.magnify.obtained_gain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer.bench.magnify import obtained_gain, psnr, reached
from mer.bench.tasks import squared_error
from mer.core.errors import MediaError
from mer.core.levels import as_uint8
from mer.core.seeds import derive_seed
from mer.pretrain.magnified import FRAMES, draw_motion

# (first, second) (2, S, S, 3) uint8 and a factor to the second picture magnified, (S, S, 3) uint8.
Magnifier = Callable[[np.ndarray, float], np.ndarray]
SIDE = 192
PEAKS, SIGMAS, GAINS = (0.15, 0.3, 0.6, 1.0), (0.0, 2.0), (2.0, 4.0, 8.0)
CURVE_GAINS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
CURVE_PEAKS, CURVE_SIGMA = (0.3, 0.6), 1.0
REACH = 8.0  # Largest displacement of a truth, pixels.
SHARE = 0.3  # The gain is read where the motion is at least this share of its peak.


@dataclass(frozen=True)
class Case:
    """One person's expression: filmed pictures, the clean first one, the true flow, and truths by factor."""

    pair: np.ndarray
    clean: np.ndarray
    field: np.ndarray
    truths: Mapping[float, np.ndarray]


@dataclass(frozen=True)
class Score:
    """Mean over people: gain obtained, and PSNR in dB where the face moves, before or after, and over the crop."""

    gain: float
    moving: float
    crop: float


def cases(split: str, seed: int, people: int, peak: float, sigma: float, gains: Sequence[float]) -> Iterator[Case]:
    """Yield one case per person of a split.

    Args:
        split: name of a set of people; other than "train" for honest scores.
        seed: of people, expressions and noise.
        people: how many.
        peak: largest displacement of the second picture, pixels.
        sigma: noise, standard deviation in grey levels.
        gains: factors of the truths; those that would fold the skin or move more than 8 pixels are left out.
    """
    for person in range(people):
        rng = np.random.default_rng(derive_seed(seed, "score", split, person))
        motion = draw_motion(derive_seed(seed, "run", split), person, FRAMES[person % 2], rng)
        intensity = peak / motion.peak
        corner = np.clip(motion.points.mean(axis=0) - SIDE / 2, 0, np.array(motion.frame(0).shape[1::-1]) - SIDE)
        left, top = np.rint(corner).astype(int)
        window = (slice(top, top + SIDE), slice(left, left + SIDE))
        clean = [motion.frame(level)[window] for level in (0.0, intensity)]
        pair = np.stack([as_uint8(image + sigma * rng.standard_normal(image.shape)) for image in clean])
        truths = {}
        for gain in gains:
            if gain * peak <= REACH:
                try:
                    truths[gain] = as_uint8(motion.frame(gain * intensity)[window])
                except MediaError:
                    continue
        yield Case(pair, as_uint8(clean[0]), motion.back(0.0, intensity)[(slice(None), *window)], truths)


def scores(magnifiers: Mapping[str, Magnifier], shown: Sequence[Case]) -> dict[tuple[str, float], Score]:
    """Return the score of every magnifier, by name and factor."""
    rows: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for case in shown:
        length = np.hypot(*case.field)
        region = length >= SHARE * length.max()
        for gain, truth in case.truths.items():
            judged = region | reached(case.field, region, gain)
            for name, magnifier in magnifiers.items():
                made = magnifier(case.pair, gain)
                got = obtained_gain(case.clean, made, case.field, region, gain)
                rows.setdefault((name, gain), []).append(
                    (got, squared_error(made, truth, judged), squared_error(made, truth))
                )
    return {
        key: Score(float(np.mean([got for got, _, _ in row])), psnr([m for _, m, _ in row]), psnr([c for *_, c in row]))
        for key, row in rows.items()
    }


def identity(pair: np.ndarray, gain: float) -> np.ndarray:
    """Return the second picture as filmed."""
    return np.asarray(pair[1])


def linear(pair: np.ndarray, gain: float) -> np.ndarray:
    """Return the difference of the pictures amplified, pixel by pixel."""
    first, second = pair.astype(np.float64)
    return as_uint8(first + gain * (second - first))


def calibrated(magnifier: Magnifier, seed: int, people: int = 12) -> list[tuple[float, float]]:
    """Return the curve of factors asked and obtained, from (1, 1) on, the mean over motions and people.

    What a factor obtains is made to rise with the factor, by a thousandth where it does not.
    """
    got: dict[float, list[float]] = {}
    for peak in CURVE_PEAKS:
        shown = list(cases("calibration", seed, people, peak, CURVE_SIGMA, CURVE_GAINS))
        for (_, gain), score in scores({"": magnifier}, shown).items():
            got.setdefault(gain, []).append(score.gain)
    curve = [(1.0, 1.0)]
    for gain in sorted(got):
        curve.append((gain, round(max(float(np.mean(got[gain])), curve[-1][1] + 1e-3), 4)))
    return curve


def table(magnifiers: Mapping[str, Magnifier], split: str, seed: int, people: int) -> str:
    """Return the scores as a Markdown table: gain obtained, PSNR where it moves, PSNR of the crop."""
    names = list(magnifiers)
    lines = [f"| peak px | noise | factor | {' | '.join(names)} |", "|" + "---|" * (3 + len(names))]
    for sigma in SIGMAS:
        for peak in PEAKS:
            made = scores(magnifiers, list(cases(split, seed, people, peak, sigma, GAINS)))
            for gain in GAINS:
                if all((name, gain) in made for name in names):
                    row = [made[name, gain] for name in names]
                    cells = [f"{score.gain:.2f} / {score.moving:.1f} / {score.crop:.1f}" for score in row]
                    lines.append(f"| {peak:g} | {sigma:g} | {gain:g} | {' | '.join(cells)} |")
    return "\n".join(lines)
