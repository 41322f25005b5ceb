import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from mer.core.errors import ModelError
from mer.networks.magnet_files import CURVE, load
from mer.networks.magnet_small import draw, untrained
from mer.pretrain import magnet, magnet_score, magnified


@pytest.fixture(scope="module")
def samples():
    return magnified.batch(3, 7, 64, 8, noise=0.0)


def test_samples_are_what_they_say(samples):
    assert samples.first.shape == samples.truth.shape == (8, 3, 64, 64)
    assert samples.field.shape == (8, 2, 64, 64) and samples.gain.shape == (8,)
    for pictures in (samples.first, samples.second):
        assert torch.equal(pictures, pictures.round()) and pictures.min() >= 0 and pictures.max() <= 255
    low, high = magnified.GAINS
    assert samples.gain.min() >= 1 / 3 and samples.gain.max() <= high and low == 1


def test_field_leads_from_the_truth_to_the_second_picture(samples):
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    carried = draw(samples.second, torch.stack([x, y]) + samples.field)
    inside = (..., slice(12, -12), slice(12, -12))
    left = (carried - samples.truth)[inside].abs().mean(dim=(1, 2, 3))
    # Bending fields, fine texture and rounding leave a little.
    assert left.median() < 0.5 and left.max() < 1.5
    assert (samples.second - samples.truth)[inside].abs().mean() > 3 * left.mean()


@pytest.mark.slow
def test_samples_follow_seed_step_and_split_alone():
    magnified.scene.cache_clear()
    first = magnified.batch(3, 7, 32, 4)
    magnified.batch(3, 90, 32, 4)
    again = magnified.batch(3, 7, 32, 4)
    assert all(torch.equal(a, b) for a, b in zip(vars(first).values(), vars(again).values(), strict=True))
    for other in (magnified.batch(4, 7, 32, 4), magnified.batch(3, 7, 32, 4, split="held-out")):
        assert not torch.equal(first.first[0], other.first[0]) and not torch.equal(first.first[3], other.first[3])


def test_noise_is_as_strong_as_asked():
    rng = np.random.default_rng(0)
    for soft in (0.0, 0.7):
        assert magnified.grain((3, 64, 64), 2.0, soft, rng).std() == pytest.approx(2.0, rel=0.05)


def test_loss_is_relative_to_leaving_the_picture_alone(samples):
    whole = magnet.unit(samples.second) - magnet.unit(samples.truth)
    assert magnet.relative(whole, whole, 0.0) == pytest.approx(1.0)
    with torch.no_grad():
        picture, *_ = magnet.loss(untrained(0), samples)
    assert float(picture) < 0.7 * float(magnet.relative(whole, whole, magnet.PICTURE_FLOOR))


def test_rate_rises_stays_and_falls_to_nothing():
    rates = [magnet.rate(step, 1000) for step in range(1000)]
    assert rates[0] < 0.02 * magnet.RATE and rates[99] == rates[600] == magnet.RATE
    assert 0 < rates[999] < 0.01 * magnet.RATE
    assert [magnet.rate(step, 5000) for step in range(700)] == rates[:700]


def test_shortfall_is_the_share_of_the_gain_that_is_missing(samples):
    field = samples.field[samples.field.square().mean(dim=(1, 2, 3)) > 1]
    for share in (0.0, 0.7, 1.2):
        assert float(magnet.shortfall(share * field, field)) == pytest.approx(abs(1 - share), abs=0.01)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(magnet, "SIZE", 32)
    monkeypatch.setattr(magnet, "COUNT", 4)
    monkeypatch.setattr(magnet, "KEEP_EVERY", 2)


@pytest.mark.slow
def test_training_goes_on_where_it_stopped(tmp_path, quick):
    whole, _ = magnet.train(6, 0, tmp_path / "a.safetensors", log=lambda line: None)
    # The rate of a run of 6 steps: the first part is stopped, not shortened.
    steps = magnet.rate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(magnet, "rate", lambda step, _: steps(step, 6))
        magnet.train(4, 0, tmp_path / "b.safetensors", log=lambda line: None)
    parts, _ = magnet.train(6, 0, tmp_path / "b.safetensors", log=lambda line: None)
    for (name, one), two in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    assert not torch.equal(whole.encoder.conv.weight, untrained(0).encoder.conv.weight)


@pytest.mark.slow
def test_state_of_another_seed_or_damaged_is_refused(tmp_path, quick):
    magnet.train(1, 0, tmp_path / "a.safetensors", log=lambda line: None)
    with pytest.raises(ModelError, match="training state of seed 0; expected seed 1; delete it"):
        magnet.train(2, 1, tmp_path / "a.safetensors")
    (tmp_path / "a.state").write_bytes(b"no state")
    with pytest.raises(ModelError, match="training state cannot be read"):
        magnet.train(2, 0, tmp_path / "a.safetensors")


@pytest.mark.slow
def test_command_writes_weights_that_load_with_their_curve(tmp_path, quick, monkeypatch, capsys):
    monkeypatch.setattr(magnet_score, "CURVE_GAINS", (2.0, 4.0))
    for name, values in (("PEAKS", (0.5,)), ("SIGMAS", (0.0,)), ("GAINS", (2.0,))):
        monkeypatch.setattr(magnet_score, name, values)
    out = tmp_path / "small.safetensors"
    magnet.main(["--steps", "1", "--seed", "5", "--out", str(out), "--people", "1"])
    loaded = load(out)
    with safe_open(str(out), "pt") as box:
        notes = box.metadata()
    assert (loaded.variant, notes["steps"], notes["seed"]) == ("small", "1", "5")
    assert json.loads(notes[CURVE])[0] == [1.0, 1.0] and loaded.curve[:, 0].tolist() == [1, 2, 4]
    assert "| 0.5 | 0 | 2 | 1.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--steps", "-1", "--out", "x"], ["--steps", "1"], ["--people", "0", "--out", "x"]]
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(SystemExit) as caught:
        magnet.main(arguments)
    assert caught.value.code == 2


@pytest.mark.slow
def test_curve_rises_and_gain_of_known_magnifiers_is_found():
    truths = next(iter(magnet_score.cases("some", 1, 1, 0.5, 0.0, (2.0, 4.0))))
    found = magnet_score.scores(
        {"as filmed": magnet_score.identity, "true": lambda pair, gain: truths.truths[gain]}, [truths]
    )
    for gain in (2.0, 4.0):
        assert found["as filmed", gain].gain == pytest.approx(1, abs=0.05)
        assert found["true", gain].gain == pytest.approx(gain, rel=0.03)
        assert found["true", gain].moving > found["as filmed", gain].moving + 20
    curve = magnet_score.calibrated(magnet_score.identity, 0, people=1)
    assert (np.diff(np.array(curve), axis=0) > 0).all()
