"""Phase-based magnification: the phases of a complex steerable pyramid moved on by a multiple of their change.

Wadhwa et al. (SIGGRAPH 2013): where the picture moves, the phase of an oriented band changes by the motion in units of
its wavelength. The change of each band since the reference, smoothed with the band's amplitude as weight so that places
without texture do not vote, is added `factor` - 1 times. Noise is moved rather than amplified.

- The factor is the total displacement relative to the reference. Motions beyond about a quarter of a band's
  wavelength (per octave of bandwidth) leave the envelope of its wavelets: fine texture then falls behind what is asked.
- The rest below the coarsest band, whose wavelengths are far longer than the motion, is amplified linearly, without its
  mean: flicker is not motion.
- Motion is taken from luma, and what it changes is added to the three colours alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from mer.core.levels import as_uint8
from mer.stages.magnify.method import FactorParams, MagnifyMethod
from mer.stages.magnify.passes import by_factor

if TYPE_CHECKING:
    from mer.motion.pyramid_steerable import Pyramid


class Params(FactorParams):
    """Keys of `method: phase`."""

    octaves: int = Field(default=4, ge=1, le=8, description="Octaves of the pyramid, from the finest texture down.")
    per_octave: int = Field(
        default=1, ge=1, le=4, description="Bands per octave; narrow ones carry larger motion, and blur its outline."
    )
    orientations: int = Field(default=4, ge=2, le=16, description="Orientations of the bands.")
    smooth: float = Field(
        default=2.0, ge=0, le=20, description="Gaussian on the change of phase, pixels of the image; 0 is none."
    )


def magnified(frames: Any, reference: int, params: Params) -> Iterator[np.ndarray]:
    """Yield the magnified clip of each factor in turn; see `MagnifyMethod`.

    Exactly as filmed where a frame equals the reference, and at factor 1.
    """
    from mer.motion.grey import grey
    from mer.motion.pyramid_steerable import pyramid

    start = np.asarray(frames[reference])
    bank = pyramid(*start.shape[:2], params.octaves, params.per_octave, params.orientations)
    still = bank.spectrum(grey(start))
    bands = [band.analyse(still) for band in bank.bands]

    def visit(alphas: Sequence[float]) -> Iterator[tuple[int, Iterable[np.ndarray]]]:
        for index in range(len(frames)):
            frame = np.asarray(frames[index])
            if np.array_equal(frame, start):
                yield index, [frame] * len(alphas)
                continue
            added = changes(grey(frame), still, bands, bank, alphas, params.smooth)
            yield index, [as_uint8(frame + change[..., None]) for change in added]

    yield from by_factor(len(frames), start.shape, params.alphas, visit)


def changes(
    image: np.ndarray,
    still: np.ndarray,
    bands: Sequence[np.ndarray],
    bank: Pyramid,
    alphas: Sequence[float],
    smooth: float,
) -> list[np.ndarray]:
    """Return what is to be added to a grey image (S, S) float32 for each factor, (S, S) float32.

    Args:
        image: grey, 0-255.
        still: spectrum of the reference.
        bands: those of the reference.
        bank: the pyramid.
        alphas: total displacement factors.
        smooth: Gaussian on the change of phase, pixels of the image.
    """
    spectrum = bank.spectrum(image)
    rest = (spectrum - still) * bank.rest / 2
    rest[0, 0] = 0
    totals = [np.complex64(alpha - 1) * rest for alpha in alphas]
    for band, reference in zip(bank.bands, bands, strict=True):
        seen = band.analyse(spectrum)
        turned = phase_change(seen, reference, smooth * band.share**0.5)
        for alpha, total in zip(alphas, totals, strict=True):
            band.synthesise(seen * np.expm1(1j * np.float32(alpha - 1) * turned), total)
    return [bank.image(total) for total in totals]


def phase_change(band: np.ndarray, reference: np.ndarray, smooth: float) -> np.ndarray:
    """Return by how much the phase of a band (h, w) complex64 is ahead of the reference's, (h, w) float32 radians.

    Smoothed by a Gaussian of `smooth` samples, weighted by the product of the amplitudes.
    """
    from scipy.ndimage import gaussian_filter

    product = band * np.conj(reference)
    change = np.angle(product)
    if not smooth:
        return change
    weight = np.abs(product) + np.float32(1e-9)
    # The planes of a band repeat themselves, as its transform does.
    top, bottom = (gaussian_filter(plane, smooth, mode="wrap") for plane in (weight * change, weight))
    return np.asarray(top / bottom, np.float32)


METHOD = MagnifyMethod(Params, magnified)
