import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from mer.bench.magnify import obtained_gain
from mer.core.errors import ContainerError, ModelError
from mer.networks.magnet import DESIGNS, MagNet
from mer.networks.magnet_files import CURVE
from mer.networks.magnet_small import untrained
from mer.stages.magnify import magnet, stage

SIDE = 72


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Untrained small weights without a curve."""
    path = tmp_path_factory.mktemp("magnet") / "plain.safetensors"
    save_file(untrained(0).state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def curved(tmp_path_factory):
    """The same weights with a curve that says they obtain half of what is asked beyond 1."""
    path = tmp_path_factory.mktemp("magnet") / "curved.safetensors"
    save_file(untrained(0).state_dict(), path, {CURVE: json.dumps([[1, 1], [9, 5]])})
    return str(path)


def frame(amplitude, side=SIDE):
    """A pattern whose middle has moved right by `amplitude`, uint8, and the motion (2, side, side) at amplitude 1."""
    rng = np.random.default_rng(5)
    waves, phases = rng.normal(0, 0.4, (40, 2)), rng.uniform(0, 6.3, 40)
    y, x = np.mgrid[:side, :side].astype(float)
    middle = side / 2

    def bump(m):
        return np.exp(-((m - middle) ** 2 + (y - middle) ** 2) / (2 * 14.0**2))

    m = x.copy()
    for _ in range(200):
        m = x - amplitude * bump(m)
    plane = 128 + 9 * np.cos(waves[:, 0, None, None] * m + waves[:, 1, None, None] * y + phases[:, None, None]).sum(0)
    image = np.clip(np.rint(np.stack([plane, 0.7 * plane + 30, 250 - plane], 2)), 0, 255).astype(np.uint8)
    return image, np.stack([bump(x), np.zeros_like(x)])


def clip_of(*amplitudes, side=SIDE):
    return np.stack([frame(amplitude, side)[0] for amplitude in amplitudes])


def gain(made, amplitude, asked):
    start, motion = frame(0)
    return obtained_gain(start, made, (amplitude * motion).astype(np.float32), motion[0] > 0.3, asked)


@pytest.mark.parametrize("motion", [0.2, 0.7])
def test_bundled_weights_obtain_the_factor(motion):
    alphas = (2.0, 4.0, 8.0) if motion < 0.5 else (2.0, 4.0)
    made = list(magnet.magnified(clip_of(0, motion), 0, magnet.Params(alphas=alphas)))
    for alpha, clip in zip(alphas, made, strict=True):
        assert gain(clip[1], motion, alpha) == pytest.approx(alpha, rel=0.15)


def test_magnified_frame_is_nearer_to_the_true_one():
    made = next(iter(magnet.magnified(clip_of(0, 0.5), 0, magnet.Params(alphas=(4,)))))[1].astype(int)
    truth, filmed = frame(2.0)[0], frame(0.5)[0].astype(int)
    assert np.abs(made - truth).mean() < 0.35 * np.abs(filmed - truth).mean()


def test_still_frames_and_factor_one_are_passed_on_exactly(plain):
    frames = clip_of(0, 0.5, 0)
    one, three = magnet.magnified(frames, 2, magnet.Params(alphas=(1, 3), weights=plain))
    np.testing.assert_array_equal(one, frames)
    np.testing.assert_array_equal(three[[0, 2]], frames[[0, 2]])
    assert (three[1] != frames[1]).any()


def test_curve_changes_what_is_asked_and_can_be_switched_off(plain, curved):
    frames = clip_of(0, 0.4)
    asked = {"weights": curved, "alphas": (3,)}
    corrected = next(iter(magnet.magnified(frames, 0, magnet.Params(**asked))))
    five = next(iter(magnet.magnified(frames, 0, magnet.Params(weights=plain, alphas=(5,)))))
    three = next(iter(magnet.magnified(frames, 0, magnet.Params(weights=plain, alphas=(3,)))))
    np.testing.assert_array_equal(corrected, five)
    np.testing.assert_array_equal(
        next(iter(magnet.magnified(frames, 0, magnet.Params(**asked, calibrated=False)))), three
    )
    with pytest.raises(ModelError, match=r"factor 6; expected at most 5, .*use a smaller factor"):
        list(magnet.magnified(frames, 0, magnet.Params(weights=curved, alphas=(6,))))


@pytest.mark.parametrize("variant", DESIGNS)
def test_published_weights_run_on_any_size(tmp_path, variant):
    torch.manual_seed(0)
    path, network = tmp_path / "w.pth", MagNet(DESIGNS[variant])
    from mer.networks.magnet_files import layout

    torch.save({theirs: network.state_dict()[ours] for theirs, (ours, _) in layout(variant).items()}, path)
    frames = clip_of(0, 0.5, side=41)
    made = next(iter(magnet.magnified(frames, 0, magnet.Params(weights=str(path), alphas=(3,)))))
    assert made.shape == frames.shape and made.dtype == np.uint8
    padded = np.pad(frames, ((0, 0), (0, 3), (0, 3), (0, 0)), mode="reflect")
    whole = next(iter(magnet.magnified(padded, 0, magnet.Params(weights=str(path), alphas=(3,)))))
    np.testing.assert_array_equal(made[1], whole[1, :41, :41])


def test_many_factors_are_each_factor_alone_and_runs_repeat(plain):
    frames, alphas = clip_of(0, 0.5, side=40), (1.5, 2, 3, 4, 5, 6)
    together = list(magnet.magnified(frames, 0, magnet.Params(alphas=alphas, weights=plain)))
    again = list(magnet.magnified(frames, 0, magnet.Params(alphas=alphas, weights=plain)))
    np.testing.assert_array_equal(together, again)
    last = next(iter(magnet.magnified(frames, 0, magnet.Params(alphas=(6,), weights=plain))))
    assert np.abs(last.astype(int) - together[-1]).max() <= 1


def test_frames_too_small_are_refused(plain):
    with pytest.raises(ContainerError, match="frames of 24 × 24 pixels; expected at least 32 × 32"):
        list(magnet.magnified(clip_of(0, 1, side=24), 0, magnet.Params(weights=plain)))


@pytest.mark.parametrize(
    "weights, message", [("magnet_smal", "magnet_small"), ("absent/w.pth", "weight file not found")]
)
def test_unknown_weights_are_refused(weights, message):
    with pytest.raises(ModelError, match=message):
        list(magnet.magnified(clip_of(0, 1, side=40), 0, magnet.Params(weights=weights)))


@pytest.mark.parametrize("keys", [{"weights": ""}, {"device": "tpu"}, {"alphas": (2, 2)}, {"weight": "x"}])
def test_bad_keys_are_refused(keys):
    with pytest.raises(ValidationError):
        magnet.Params(**keys)


def test_clip_end_to_end(run, aligned, movie, plain):
    clip = run(stage, magnet, aligned(onset=0), alphas=(1.0, 4.0), weights=plain)
    frames = clip.read("frames")
    assert frames.shape == (2, 9, 64, 64, 3)
    np.testing.assert_array_equal(frames[0], movie)
    change = np.abs(frames[:, 5].astype(int) - movie[0]).mean(axis=(1, 2, 3))
    assert change[1] > 1.3 * change[0]
    assert clip.read("alphas").tolist() == [1.0, 4.0] and clip.attributes["reference"] == 0
