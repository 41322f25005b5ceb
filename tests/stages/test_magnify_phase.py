from pathlib import Path

import numpy as np
import pytest

from mer.motion.pyramid_steerable import Pyramid, angular, bands, radial
from mer.stages.magnify import phase


def picture(shape=(64, 60), seed=0):
    return np.random.default_rng(seed).normal(128, 30, shape).astype(np.float32)


def soft(shift=0.0, side=60, seed=4):
    """A periodic picture (60, 60, 3) uint8 of waves of 5 to 30 pixels, shifted right exactly."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    plane = np.full((side, side), 128.0)
    for _ in range(40):
        u, v = rng.integers(-12, 13, 2)
        plane += 4 * np.cos(2 * np.pi * (u * (x - shift) + v * y) / side + rng.uniform(0, 2 * np.pi))
    return np.repeat(np.clip(np.rint(plane), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("per_octave, orientations", [(1, 4), (2, 8), (1, 2)])
def test_windows_share_out_every_frequency(per_octave, orientations):
    radius = np.geomspace(0.001, 1.414, 300)
    rest = 1 - sum(radial(radius, level, per_octave) ** 2 for level in range(3 * per_octave))
    assert rest.min() > -1e-12 and np.allclose(rest[radius < 1 / 16], 1) and np.allclose(rest[radius > 1 / 8], 0)
    angle = np.linspace(-np.pi, np.pi, 101)
    squares = [
        angular(angle, k, orientations) ** 2 + angular(angle + np.pi, k, orientations) ** 2 for k in range(orientations)
    ]
    np.testing.assert_allclose(sum(squares), 1)


@pytest.mark.parametrize("shape, per_octave, orientations", [((64, 60), 1, 4), ((41, 90), 2, 8), ((20, 20), 1, 3)])
def test_unchanged_bands_synthesise_the_image(shape, per_octave, orientations):
    bank, image = Pyramid(*shape, 4, per_octave, orientations), picture(shape)
    spectrum = bank.spectrum(image)
    total = spectrum * bank.rest / 2
    for band in bank.bands:
        band.synthesise(band.analyse(spectrum), total)
    np.testing.assert_allclose(bank.image(total), image, atol=2e-3)


def test_bands_are_samples_of_the_slow_form():
    """Against windows on the whole plane and a sum over all frequencies, at the places of the coarse samples."""
    image = picture((45, 45))
    spectrum = np.fft.fft2(image.astype(np.float64))
    f = 2 * np.fft.fftfreq(45)
    radius, angle = np.hypot(f[:, None], f[None]), np.arctan2(f[:, None], f[None])
    for number, band in enumerate(bands((45, 45), 3, 1, 4)):
        level, orientation = divmod(number, 4)
        windowed = spectrum * radial(radius, level, 1) * angular(angle, orientation, 4)
        height, width = band.window.shape
        found = band.analyse(spectrum.astype(np.complex64))
        for row, column in [(0, 0), (3, 5), (height - 1, 2)]:
            y, x = row * 45 / height, column * 45 / width
            waves = np.exp(1j * np.pi * (f[:, None] * y + f[None] * x))
            assert found[row, column] == pytest.approx((windowed * waves).mean(), abs=1e-3)


def test_bands_are_those_of_pyrtools():
    """`pyrtools_bands.npz`: every third row and column of the amplitudes of pyrtools 1.1.1, made once:

    SteerablePyramidFreq(picture((64, 64)).astype(float), height=3, order=3, is_complex=True)
    """
    side, spectrum = 64, np.fft.fft2(picture((64, 64)))
    with np.load(Path(__file__).with_name("pyrtools_bands.npz")) as theirs:
        for number, band in enumerate(bands((side, side), 3, 1, 4)):
            level, orientation = divmod(number, 4)
            if level:  # Its finest band leaves the corners of the spectrum to a rest of their own.
                whole = np.zeros((side, side), complex)
                whole[np.ix_(band.rows, band.columns)] = np.fft.fft2(band.analyse(spectrum)) / band.share
                mine = np.abs(np.fft.ifft2(whole)[:: 3 * 2**level, :: 3 * 2**level])
                np.testing.assert_allclose(theirs[f"{level}-{orientation}"], mine * 2 * 4**level, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("factor, least", [(2.0, 46), (4.0, 42), (6.0, 36)])
def test_shift_is_magnified(factor, least):
    """Waves of at least 5 pixels, shifted by 0.3: against the true shift, inside the mirrored borders."""
    clip = np.stack([soft(0), soft(0.3)])
    made = next(phase.magnified(clip, 0, phase.Params(alphas=(factor,))))[1]
    inner = np.s_[12:-12, 12:-12]
    error = ((made.astype(float) - soft(0.3 * factor)) ** 2)[inner].mean()
    undone = ((clip[1].astype(float) - soft(0.3 * factor)) ** 2)[inner].mean()
    assert 10 * np.log10(255**2 / error) > least > 10 * np.log10(255**2 / undone) + 5


def test_magnified_is_the_slow_form():
    """Against bands that are not thinned out, whose phases are moved on pixel by pixel."""
    first, second = soft(0), soft(0.4, seed=4)
    made = next(phase.magnified(np.stack([first, second]), 0, phase.Params(alphas=(3.0,), smooth=0)))[1]
    bank = Pyramid(60, 60, 4, 1, 4)
    spectra = [bank.spectrum(image[..., 0].astype(np.float32)) for image in (first, second)]
    total = (spectra[1] - spectra[0]) * bank.rest
    total[0, 0] = 0
    for band in bank.bands:
        window = np.zeros(bank.padded)
        window[np.ix_(band.rows, band.columns)] = band.window
        still, seen = (np.fft.ifft2(spectrum * window) for spectrum in spectra)
        turned = np.angle(seen * still.conj())
        total += 2 * np.fft.fft2(seen * (np.exp(2j * turned) - 1)) * window
    expected = second[..., 0] + bank.image(total / 2)
    difference = np.abs(made[..., 0] - expected)
    assert difference.mean() < 0.35 and difference.max() < 4
    assert np.abs(expected - second[..., 0]).mean() > 4


def test_smoothing_weighs_by_amplitude():
    rng = np.random.default_rng(1)
    reference = rng.normal(size=(40, 40)) + 1j * rng.normal(size=(40, 40))
    reference[:, 20:] *= 1e-3
    noise = np.where(np.arange(40) < 20, 0, rng.uniform(-2, 2, (40, 40)))
    change = phase.phase_change(reference * np.exp(1j * (0.5 + noise)), reference, 3.0)
    assert np.abs(change[:, 17:23] - 0.5).max() < 0.05
    np.testing.assert_allclose(phase.phase_change(reference * np.exp(0.5j), reference, 3.0), 0.5, atol=1e-4)


def test_flicker_is_not_motion():
    clip = np.stack([soft(0), soft(0) + np.uint8(5)])
    made = next(phase.magnified(clip, 0, phase.Params(alphas=(8.0,))))[1]
    assert np.abs(made.astype(int) - clip[1]).max() <= 1
