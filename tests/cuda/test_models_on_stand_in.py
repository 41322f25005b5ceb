"""Every preset of every model, trained and applied on the stand-in in every precision: the scores of the CPU.

`pytest -rP tests/cuda` prints the list: preset, precision, path, how far the scores and the weights lie apart.
"""

import numpy as np
import pytest
from card_cases import PRESETS, WITHIN, settled, step_bound, trained

from mer.models import loop, mean_softnet, ststnet
from mer.models.registry import model
from mer.models.together import Share
from mer.testing.cuda_stand_in import stand_in

LARGER = ("dual_branch", "dual_branch_msmh", "au_fusion")
CASES = [(name, preset, precision) for name, preset in PRESETS for precision in ("float32", "bf16")]
# Of the larger networks `small` alone is trained for more than one path in a quick run.
EACH = ["ststnet", "flow_cnn", "mean", "aman", *(pytest.param(n, marks=pytest.mark.slow) for n in LARGER)]
_OF_CPU = {}


def on_cpu(name, preset, precision):
    """Return what the CPU makes of a case, trained once."""
    # The compiled training of a CPU has float32 whatever is asked for; so has a model without epochs.
    key = name, preset, precision
    if key not in _OF_CPU:
        _OF_CPU[key] = trained(name, preset, precision, "cpu")
    return _OF_CPU[key]


def compare(name, preset, precision, path, made, wanted):
    """Hold two trainings against each other and print a line of the list."""
    (state, scores, _), (of_cpu, expected, _) = made, wanted
    apart = float(np.abs(scores - expected).max())
    weights = {key: np.abs(array - of_cpu.arrays[key]).max() for key, array in state.arrays.items() if array.size}
    learned = max((v for k, v in weights.items() if "running" not in k and "num_batches" not in k), default=0.0)
    print(f"{name:<17}{preset:<16}{precision:<9}{path:<14}scores {apart:.1e}  weights {learned:.1e}")
    assert set(state.arrays) == set(of_cpu.arrays)
    assert apart <= WITHIN[precision], path
    assert learned <= step_bound(settled(name, preset), 1), path


@pytest.mark.parametrize(("name", "preset", "precision"), CASES)
def test_fit_and_predict(name, preset, precision):
    wanted = on_cpu(name, preset, precision)
    made = trained(name, preset, precision, "cuda", stand_in())
    assert made[2] == (precision if name != "svm_flow" else "float32")
    compare(name, preset, precision, "fit, predict", made, wanted)


@pytest.mark.parametrize("name", EACH)
def test_auto_and_tf32(name):
    preset = next(iter(model(name, "test").presets))
    automatic = trained(name, preset, "auto", "cuda", stand_in())
    assert automatic[2] == "bf16"
    compare(name, preset, "bf16", "auto", automatic, trained(name, preset, "bf16", "cuda", stand_in()))
    old = trained(name, preset, "auto", "cuda", stand_in(bf16=False))
    assert old[2] == "float32"
    compare(name, preset, "float32", "auto, no bf16", old, on_cpu(name, preset, "float32"))
    coarse = trained(name, preset, "tf32", "cuda", stand_in())
    assert coarse[2] == "tf32"
    compare(name, preset, "tf32", "fit, predict", coarse, on_cpu(name, preset, "float32"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "preset", "changes"),
    [
        ("au_fusion", "released", {"size": 32}),
        ("aman", "published", {"size": 64, "frames": 2}),
        ("dual_branch_msmh", "lie", {"size": 36, "frames": 9}),
    ],
)
def test_published_networks_whole(name, preset, changes):
    chosen = settled(name, preset, whole=True).model_copy(update=changes)
    wanted = trained(name, preset, "bf16", "cpu", settings=chosen)
    compare(name, preset, "bf16", "whole network", trained(name, preset, "bf16", "cuda", stand_in(), chosen), wanted)


@pytest.mark.parametrize(
    ("card", "preset"),
    [
        (ststnet.MODEL, "clean"),
        (ststnet.MODEL, "published"),
        (mean_softnet.MODEL, "clean"),
        (mean_softnet.MODEL, "joint"),
    ],
    ids=["ststnet-clean", "ststnet-published", "mean-clean", "mean-joint"],
)
def test_folds_together(card, preset):
    side = 28 if card is ststnet.MODEL else 42
    rng = np.random.default_rng(0)
    x, labels, groups = rng.random((12, 3, side, side), np.float32), np.arange(12) % 3, np.arange(12) // 2
    settings = card.presets[preset].model_copy(update={"epochs": 2, "batch_size": 4})
    shares = [Share(rows, labels[rows], seed) for seed, rows in enumerate((np.arange(10), np.arange(3, 12)))]
    with stand_in():
        states = card.fit_together(x, shares, 3, settings, lambda line: None, "cuda")
        scores = [card.predict(state, x, "cuda") for state in states]
    for share, made in zip(shares, scores, strict=True):
        alone = card.fit(x[share.clips], share.labels, groups[share.clips], 3, settings, share.seed, lambda line: None)
        assert card.predict(alone, x) == pytest.approx(made, abs=1e-4)


@pytest.mark.parametrize("name", EACH)
def test_a_training_that_goes_on_has_the_same_weights(name, tmp_path):
    preset = next(iter(model(name, "test").presets))
    settings, file = settled(name, preset, epochs=2), tmp_path / "state.safetensors"

    def dying(epoch, epochs, network):
        if epoch == 2:
            raise InterruptedError

    whole = trained(name, preset, "bf16", "cuda", stand_in(), settings)[0]
    with pytest.raises(InterruptedError), loop.watching(dying):
        trained(name, preset, "bf16", "cuda", stand_in(), settings, file=file)
    assert file.is_file()
    again = trained(name, preset, "bf16", "cuda", stand_in(), settings, file=file)[0]
    for key, array in whole.arrays.items():
        assert np.array_equal(array, again.arrays[key]), key


def test_a_transfer_that_is_left_out_is_noticed(monkeypatch):
    monkeypatch.setattr(loop, "arrays_of", lambda network: {k: v.numpy() for k, v in network.state_dict().items()})
    with pytest.raises(TypeError, match=r"Tensor\.cpu\(\) first"):
        trained("dual_branch", "small", "float32", "cuda", stand_in())


def test_labels_that_are_left_on_the_host_are_noticed(monkeypatch):
    right = loop.weighted_nll
    monkeypatch.setattr(loop, "weighted_nll", lambda logs, labels, weights: right(logs, labels.cpu(), weights))
    for name in ("dual_branch", "aman"):
        with pytest.raises(RuntimeError, match="same device"):
            trained(name, "small", "float32", "cuda", stand_in())


def test_networks_that_are_left_on_the_host_are_noticed(monkeypatch):
    built = model("ststnet", "test").build
    monkeypatch.setattr("torch.nn.Module.to", lambda network, *args, **kwargs: network)
    assert built is not None
    with pytest.raises(RuntimeError, match="same device"):
        trained("ststnet", "clean", "float32", "cuda", stand_in())
