"""The measurement of magnification: what displacement a method obtained of what was asked, and its picture.

The displacement obtained is found without a flow estimator, whose smoothness would shrink it more in a noisy picture
than in a clean one: of all pictures in which the onset has moved along its true flow times g, the one nearest to the
picture made names the gain g. One unknown over thousands of pixels leaves noise no say, and the clean onset gives the
gradients, so that the noise in the picture made is independent of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer.bench.measure import Clock
from mer.bench.tasks import Errors, decibels, noisy, opened, squared_error
from mer.stages.registry import load_method

# Motions that a magnifier is held to, pixels: what is fainter drowns in noise on plain skin.
STRONG = 0.3
# Pixels of true motion below which a clip says nothing about the gain of strong motions.
LEAST_REGION = 100
# Distance of the gains tried before the search by gradients, pixels of the fastest point.
_STRIDE = 0.25
_ROUNDS = 30


def magnify(
    clock: Clock, files: Sequence[Path], method: str, options: dict[str, Any], factor: float, sigma: float
) -> Errors:
    """Magnify the apex of every clip from its onset, with noise in both, and compare with the truth.

    Args:
        clock: times the method; a unit of work is a pair.
        files: clips of `mer.bench.clips.prepare` with `factor` among their factors.
        method: a name of the registry of magnification methods.
        options: keys of the method's parameters other than `alphas`.
        factor: total displacement factor.
        sigma: noise of both frames, grey levels.

    Returns:
        `gain`: how far the mean gain of the clips is from the factor, where the face moves;
        `gain from 0.3 px`: the same where it moves at least so far, over the clips with enough of it (else NaN);
        `gain, each clip`: the root mean square of the clips' own errors there;
        `picture` and `picture, crop`: PSNR over the pixels that move, before or after, and over all.
    """
    chosen = load_method("magnify", method, "bench")
    params = chosen.Params(**{**options, "alphas": (factor,)})
    gains, strong, moving, crop = [], [], [], []
    for k, clip in opened(files):
        pair = np.stack([noisy(clip[name], sigma, k, name) for name in ("onset", "apex")])
        made = clock.time(lambda frames=pair: next(iter(chosen.magnified(frames, 0, params)))[-1])
        truth, region, field = clip[f"magnified_{factor:g}"], clip["moving"], clip["flow"]
        fast = region & (np.hypot(*field) >= STRONG)
        gains.append(obtained_gain(clip["onset"], made, field, region, factor) / factor)
        if fast.sum() >= LEAST_REGION:
            strong.append(obtained_gain(clip["onset"], made, field, fast, factor) / factor)
        moving.append(squared_error(made, truth, region | reached(field, region, factor)))
        crop.append(squared_error(made, truth))
    return {
        "gain": (100 * abs(float(np.mean(gains)) - 1), "% of asked"),
        "gain from 0.3 px": (100 * abs(_mean(strong) - 1), "% of asked"),
        "gain, each clip": (100 * _mean([(gain - 1) ** 2 for gain in strong]) ** 0.5, "% of asked, RMS"),
        "picture": (psnr(moving), "dB PSNR"),
        "picture, crop": (psnr(crop), "dB PSNR"),
    }


def obtained_gain(onset: np.ndarray, made: np.ndarray, field: np.ndarray, region: np.ndarray, asked: float) -> float:
    """Return the gain g for which made(x + g field(x)) is nearest to onset(x) over `region`.

    Args:
        onset: (S, S, 3) uint8, without noise.
        made: (S, S, 3) uint8.
        field: (2, S, S) true flow from the onset to the frame that was magnified, pixels.
        region: (S, S) bool, not empty.
        asked: total displacement factor; gains from 0 to twice as much are searched.
    """
    from mer.motion.grey import grey
    from mer.motion.warp import grid, sample_spline, spline_coefficients

    template = grey(onset)
    start, motion = grid(*region.shape)[:, region], field[:, region].astype(np.float64)
    gradient = np.stack(np.gradient(template)[::-1])[:, region]
    slope = (gradient * motion).sum(axis=0)
    coefficients = spline_coefficients(grey(made))

    def missed(gain: float) -> np.ndarray:
        result: np.ndarray = sample_spline(coefficients, start + gain * motion)[0] - template[region]
        return result

    tried = np.arange(0, 2 * asked + 1e-9, _STRIDE / np.hypot(*motion).max())
    gain = float(min(tried, key=lambda g: float((missed(g) ** 2).sum())))
    for _ in range(_ROUNDS):
        step = -float((slope * missed(gain)).sum() / (slope * slope).sum())
        gain += float(np.clip(step, -1, 1))
        if abs(step) < 1e-4:
            break
    return gain


def reached(field: np.ndarray, region: np.ndarray, factor: float) -> np.ndarray:
    """Return where (S, S) bool the points of `region` land after `factor` times the flow (2, S, S)."""
    from mer.motion.warp import grid

    limit = np.array(region.shape)[::-1, None] - 1
    x, y = np.clip(np.rint((grid(*region.shape) + factor * field)[:, region]), 0, limit).astype(int)
    landed = np.zeros_like(region)
    landed[y, x] = True
    return landed


def psnr(squared: Sequence[float]) -> float:
    """Return the peak signal-to-noise ratio in dB of the mean squared errors of clips, the mean over clips."""
    return float(np.mean([decibels(value) for value in squared]))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
