"""Every stage method with code for a device, spotting, and a published network of each kind: the values of the CPU."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mer.core.container import Container, ContainerWriter
from mer.models import aman
from mer.models.clip_array import ClipArray
from mer.models.feed import Feed
from mer.models.loop import place_of
from mer.motion import black_anandan, black_anandan_system, micro
from mer.motion.black_anandan_options import BlackAnandanOptions
from mer.motion.micro_options import MicroOptions
from mer.networks import ifnet, magnet_files
from mer.spotting.experiment import SpotRecipe, SpottingExperiment
from mer.spotting.naming_head import Namer, train_head
from mer.spotting.network import Scorer, train
from mer.stages.flow import black_anandan as black_anandan_stage
from mer.stages.flow import micro as micro_stage
from mer.stages.interpolate import rife
from mer.stages.magnify import magnet
from mer.testing.cuda_stand_in import CardTensor, stand_in
from mer.training.experiment import choose_device


def movie(count, side):
    """Return (T, S, S, 3) uint8 of a texture that drifts."""
    y, x = np.mgrid[:side, :side].astype(np.float64)
    waves = [
        127 + 60 * np.sin((x - 0.4 * t) / 3.1) * np.cos((y + 0.2 * t) / 4.3) + 30 * np.sin((x + y) / 7)
        for t in range(count)
    ]
    return np.stack([np.stack([w, w[::-1], w.T], axis=-1) for w in waves]).clip(0, 255).astype(np.uint8)


GREY = movie(4, 64)[..., 0].astype(np.float32)


@pytest.mark.parametrize("options", [{}, {"preset": "accurate"}], ids=["fast", "accurate"])
@pytest.mark.parametrize("shared", [True, False])
def test_micro_flow(options, shared):
    firsts, seconds = (GREY[:1] if shared else GREY[:3]), GREY[1:]
    with stand_in() as launches:
        made = micro.flows(firsts, seconds, MicroOptions(**options), "cuda")
    wanted = micro.flows(firsts, seconds, MicroOptions(**options))
    print(f"micro {options or 'fast'}: {sum(launches.values())} operators, apart {np.abs(made - wanted).max():.1e} px")
    assert launches and np.abs(made - wanted).max() < 1e-3


def test_black_anandan_flow():
    options, small = BlackAnandanOptions(stages=2, warps=2), GREY[:, :40, :40]
    with stand_in() as launches:
        made = black_anandan.flows(small[:3], small[1:], options, "cuda")
    wanted = black_anandan.flows(small[:3], small[1:], options)
    print(f"black_anandan: {sum(launches.values())} operators, apart {np.abs(made - wanted).max():.1e} px")
    # float32 against float64; both stop at a residual of 1e-4.
    assert launches and np.abs(made - wanted).max() < 5e-3


@pytest.mark.parametrize("method", [micro_stage, black_anandan_stage])
def test_a_flow_stage_takes_the_card_that_its_job_was_given(method):
    lines = []
    with stand_in():
        assert method.Params().placed(choose_device(1, lines.append)).resolved_device() == "cuda"
        assert method.Params().placed(choose_device(0, lines.append)).resolved_device() == "cpu"
        assert place_of("cuda").type == "cuda"


@pytest.mark.parametrize("variant", [*ifnet.VARIANTS, "bundled"])
def test_rife(variant, tmp_path):
    weights = "ifnet_small"
    if variant != "bundled":
        torch.manual_seed(0)
        weights = str(tmp_path / "w.safetensors")
        save_file(ifnet.build(variant).state_dict(), weights)
    frames, positions = movie(3, 48), np.array([0.0, 0.3, 0.5, 1.25, 2.0])
    with stand_in() as launches:
        made = rife.resample(frames, positions, rife.Params(weights=weights, device="cuda"))
    wanted = rife.resample(frames, positions, rife.Params(weights=weights))
    apart = np.abs(made.astype(int) - wanted).max()
    print(f"rife {variant}: {sum(launches.values())} operators, apart {apart} grey levels")
    assert launches["convolution"] and apart <= 1


@pytest.mark.parametrize("variant", [*magnet_files.VARIANTS, "bundled"])
def test_magnet(variant, tmp_path):
    weights = "magnet_small"
    if variant != "bundled":
        torch.manual_seed(0)
        weights, network = str(tmp_path / "w.safetensors"), magnet_files.build(variant)
        state, names = network.state_dict(), magnet_files.layout(variant)
        save_file({theirs: state[ours].clone() for theirs, (ours, _) in names.items()}, weights)
    frames, keys = movie(3, 48), {"weights": weights, "alphas": [1.0, 2.0, 4.0]}
    with stand_in() as launches:
        made = np.stack(list(magnet.magnified(frames, 0, magnet.Params(**keys, device="cuda"))))
    wanted = np.stack(list(magnet.magnified(frames, 0, magnet.Params(**keys))))
    apart = np.abs(made.astype(int) - wanted).max()
    print(f"magnet {variant}: {sum(launches.values())} operators, apart {apart} grey levels")
    assert launches["convolution"] and apart <= 1


@pytest.mark.parametrize(("network", "protocol"), [("mean", "fixed"), ("mean", "ref"), ("softnet", "ref")])
def test_spotting_and_naming(network, protocol):
    rng = np.random.default_rng(0)
    x, y = rng.random((24, 3, 42, 42), np.float32), (np.arange(24) % 2).astype(np.float32)
    recipe = SpotRecipe(epochs=1, batch_size=8, head_epochs=1)

    def run(device):
        experiment = SpottingExperiment(network, protocol, recipe, ("a", "b"), device=device)
        state = train(x, y, experiment, 0, lambda line: None)
        told = [Scorer(state, device)(x), Scorer(state, device).traces(x)]
        if network == "mean":
            named = train_head(x, (np.arange(24) % 2).astype(np.int64), state, experiment, 0, lambda line: None)
            told.append(Namer(named, 2, device)(x))
        return told

    wanted = run("cpu")
    with stand_in() as launches:
        made = run("cuda")
    assert launches["convolution"]
    for one, other in zip(made, wanted, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("preset", ["pooled", "clean"])
def test_the_frozen_trunk_of_aman(preset, tmp_path):
    settings = aman.PRESETS[preset].model_copy(update={"size": 64, "frames": 2})
    with ContainerWriter(tmp_path / "m.h5", "magnify") as out, out.clip("c") as clip:
        clip.write("frames", np.random.default_rng(0).integers(0, 256, (2, 4, 64, 64, 3), dtype=np.uint8))
        clip.attributes({"onset": 0, "offset": 3})
    clips = {"magnified": Container(tmp_path / "m.h5").clip("c")}
    with stand_in() as launches:
        made = aman.features(clips, settings, device="cuda")
    assert launches["convolution"] and made == pytest.approx(aman.features(clips, settings), abs=1e-5)


@pytest.mark.parametrize("resident", [True, False])
def test_clips_are_brought_to_the_card(resident, monkeypatch):
    whole = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), dtype=np.uint8)
    with stand_in():
        place = place_of("cuda")
        with Feed({"clip": ClipArray(whole, [7, 3, 3, 8])}, place, resident) as clips:
            monkeypatch.setattr(clips, "_pinned", False)
            clips.coming([torch.tensor([3, 0]), torch.tensor([1, 2])])
            batch = clips(torch.tensor([3, 0]))["clip"]
            assert batch.device.type == "cuda" and batch.dtype == torch.uint8
            part = clips(torch.tensor([1, 2]), {"clip": (torch.tensor([[0, 2], [3, 1]]),)})["clip"]
            assert np.array_equal(batch.cpu().numpy(), whole[[8, 7]])
            assert np.array_equal(part.cpu().numpy(), whole[[[3, 3], [3, 3]], [[0, 2], [3, 1]]])


def test_a_stage_that_does_not_come_back_is_noticed(monkeypatch):
    with stand_in(), pytest.raises(TypeError, match=r"Tensor\.cpu\(\) first"):
        monkeypatch.setattr("mer.testing.cuda_stand_in._moved", staying())
        micro.flows(GREY[:1], GREY[1:], MicroOptions(), "cuda")


def staying():
    """Return a way across the border that lets tensors up, and none down."""
    from mer.testing import cuda_stand_in

    right = cuda_stand_in._moved

    def moved(x, device):
        return x if isinstance(x, CardTensor) else right(x, device)

    return moved


def test_an_operator_that_is_left_on_the_host_is_noticed(monkeypatch):
    from mer.motion import micro_kernel

    right = micro_kernel.regridding
    monkeypatch.setattr(micro_kernel, "regridding", lambda *args: Staying(right(*args)))
    with stand_in(), pytest.raises(RuntimeError, match="same device"):
        micro.flows(GREY[:1], GREY[1:], MicroOptions(), "cuda")


class Staying:
    """A tensor whose `.to(device)` was left out."""

    def __init__(self, tensor):
        self.tensor = tensor

    def float(self):
        return Staying(self.tensor.float())

    def to(self, device):
        return self.tensor


def test_black_anandan_takes_a_step_in_one_launch():
    small, options = GREY[:, :40, :40], BlackAnandanOptions(stages=2, warps=1)
    with stand_in() as launches:
        first = black_anandan.flows(small[:1], small[1:], options, "cuda")
        kept = len(black_anandan_system._KEPT)
        launches.clear()
        again = black_anandan.flows(small[:1], small[1:], options, "cuda")
        assert launches["replay"] > 0 and launches["addcmul"] == 0
        other = black_anandan.flows(small[:1], small[1:3], options, "cuda")
        assert 0 < kept < len(black_anandan_system._KEPT) <= black_anandan_system._MOST_KEPT
    assert np.array_equal(first, again)
    assert np.array_equal(first[:2], other)


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "most"), [(micro, 2500), (black_anandan, 6000)])
def test_how_much_flow_launches(estimator, most):
    y, x = np.mgrid[:64, :64].astype(np.float32)
    images = [127 + 60 * np.sin((x - 0.3 * t) / 3) * np.cos((y + 0.2 * t) / 4) for t in range(4)]
    grey = np.stack(images).astype(np.float32)
    with stand_in() as launches:
        estimator.flows(grey[:1], grey[1:], None, "cuda")
        launches.clear()
        estimator.flows(grey[:1], grey[1:], None, "cuda")
    print(
        f"{estimator.__name__}: {sum(launches.values())} operators for three pairs, {launches['replay']} of them graphs"
    )
    assert sum(launches.values()) < most


def test_a_step_that_asks_the_card_cannot_be_captured(monkeypatch):
    right = black_anandan_system.Iterate.advance
    monkeypatch.setattr(black_anandan_system.Iterate, "advance", lambda self: self.going.any().item() or right(self))
    with stand_in(), pytest.raises(RuntimeError, match="while a graph is captured"):
        black_anandan.flows(GREY[:1, :40, :40], GREY[1:, :40, :40], None, "cuda")
