import numpy as np
import pytest

from mer.bench import magnify
from mer.bench.measure import Clock

SIDE = 96


def picture(shift):
    """Waves (96, 96, 3) uint8, every point x moved right to x + shift(x), found by iteration."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    m = x.copy()
    for _ in range(200):
        m = x - shift(m, y)
    waves, phases = rng.normal(0, 0.3, (40, 2)), rng.uniform(0, 2 * np.pi, 40)
    plane = 128 + 8 * np.cos(waves[:, :1, None] * m + waves[:, 1:, None] * y + phases[:, None, None]).sum(0)
    return np.repeat(np.clip(np.rint(plane), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def bump(peak):
    return lambda x, y: peak * np.exp(-((x - 48) ** 2 + (y - 48) ** 2) / (2 * 15.0**2))


@pytest.fixture(scope="module")
def field():
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    return np.stack([bump(0.8)(x, y), 0 * x]).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory, field):
    path = tmp_path_factory.mktemp("bench") / "0000.npz"
    pictures = {"onset": picture(bump(0)), "apex": picture(bump(0.8)), "magnified_3": picture(bump(2.4))}
    np.savez(path, flow=field, moving=field[0] > 0.1, **pictures)
    return [path]


@pytest.mark.parametrize("gain", [0.0, 1.0, 2.2, 3.0, 5.5])
def test_gain_of_a_picture_is_found_whatever_was_asked(field, gain):
    found = magnify.obtained_gain(picture(bump(0)), picture(bump(0.8 * gain)), field, field[0] > 0.1, 3.0)
    assert found == pytest.approx(gain, abs=0.03)


def test_noise_does_not_shorten_the_gain(field):
    made = picture(bump(2.4)) + np.random.default_rng(0).normal(0, 4, (SIDE, SIDE, 3))
    noisy = np.clip(np.rint(made), 0, 255).astype(np.uint8)
    found = [magnify.obtained_gain(picture(bump(0)), noisy, field, field[0] > least, 3.0) for least in (0.1, 0.3)]
    assert found == pytest.approx([3.0, 3.0], abs=0.06)


def test_every_method_is_measured(files):
    found = {}
    for name, options in [("lagrangian", {}), ("eulerian", {"temporal": "none", "wavelength": 0}), ("phase", {})]:
        clock = Clock()
        clock.warm = True
        errors = magnify.magnify(clock, files, name, options, 3.0, 1.0)
        assert {unit for _, unit in errors.values()} == {"% of asked", "% of asked, RMS", "dB PSNR"}
        assert clock.units == 1 and all(type(value) is float and np.isfinite(value) for value, _ in errors.values())
        found[name] = {measure: value for measure, (value, _) in errors.items()}
    assert found["lagrangian"]["gain from 0.3 px"] < 3 < found["eulerian"]["gain from 0.3 px"]
    assert found["lagrangian"]["picture"] > found["phase"]["picture"] > found["eulerian"]["picture"]


def test_picture_is_judged_where_the_face_moves_to_as_well(field):
    region = field[0] > 0.1
    landed = magnify.reached(field, region, 12.0)
    assert (landed & ~region).sum() > 20 and (landed & ~region)[:, :40].sum() == 0
    truth = picture(bump(2.4))
    made = truth.copy()
    made[~region] = 0
    assert magnify.squared_error(made, truth, region) == 0 < magnify.squared_error(made, truth)
    assert magnify.psnr([65.025, 65.025]) == pytest.approx(30)
