"""The ResNet-18 trunk: torchvision's names, loading of foreign files, refusal of hostile ones."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mer.core.errors import ModelError
from mer.models import loop
from mer.networks import resnet18


def test_names_and_counts_are_torchvisions():
    net = resnet18.seeded(0)
    state = net.state_dict()
    assert len(state) == 120 and loop.parameter_count(net) == 11176512
    assert loop.parameter_count(net.layer4) == 8393728
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["layer1.1.bn2.running_var"].shape == (64,)
    assert state["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert state["layer4.1.conv2.weight"].shape == (512, 512, 3, 3)
    assert "layer1.0.downsample.0.weight" not in state


def test_shapes():
    net = resnet18.seeded(0)
    with torch.no_grad():
        assert net.maps(torch.zeros(1, 3, 224, 224)).shape == (1, 256, 14, 14)
        assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 512)


def test_narrower_and_shallower_networks_have_the_same_plan():
    net = resnet18.ResNet18((4, 8, 16), blocks=1)
    with torch.no_grad():
        assert net(torch.zeros(2, 3, 48, 48)).shape == (2, 16)
        assert net.maps(torch.zeros(2, 3, 48, 48)).shape == (2, 8, 6, 6)
    assert set(net.state_dict()) < set(resnet18.seeded(0).state_dict())


def test_random_weights_are_of_the_seed_and_leave_the_random_state_alone():
    before = torch.random.get_rng_state()
    first, again, other = (resnet18.seeded(seed).conv1.weight for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first, again) and not torch.equal(first, other)


def foreign(prefix=""):
    """Return a state dict as a trainer of another project would save it, with a classifier."""
    held = {prefix + name: value for name, value in resnet18.seeded(7).state_dict().items()}
    return held | {f"{prefix}fc.weight": torch.zeros(8, 512), f"{prefix}fc.bias": torch.zeros(8)}


@pytest.mark.parametrize("form", ["plain", "nested", "safetensors", "old"])
def test_weights_of_others_load(form, tmp_path):
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth.tar")
    if form == "safetensors":
        save_file(foreign(), path)
    elif form == "nested":
        torch.save({"epoch": 3, "state_dict": foreign("module.")}, path)
    elif form == "old":
        torch.save({k: v for k, v in foreign("module.").items() if "num_batches" not in k}, path)
    else:
        torch.save(foreign(), path)
    loaded, x = resnet18.load(path), torch.rand(1, 3, 64, 64)
    assert not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(x), resnet18.seeded(7)(x))
    assert resnet18.record(str(path), 0).startswith(f"{path.name}, sha256 ")
    assert resnet18.record(None, 5) == "random, seed 5"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature.weight": torch.zeros(2)}, "has unexpected feature.weight; expected the 120 tensors"),
        (
            {"conv1.weight": torch.zeros(64, 3, 3, 3)},
            r"conv1.weight has shape \(64, 3, 3, 3\); expected \(64, 3, 7, 7\)",
        ),
        ({"bn1.bias": torch.full((64,), float("nan"))}, "bn1.bias has values that are not finite"),
        ({"epoch": 3}, "holds more than named tensors"),
        ({"layer3.0.bn1.bias": None}, "lacks layer3.0.bn1.bias; expected all 120 tensors"),
    ],
)
def test_wrong_contents_are_refused(change, message, tmp_path):
    held = foreign() | change
    torch.save({name: value for name, value in held.items() if value is not None}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=message):
        resnet18.load(tmp_path / "w.pt")


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


def test_hostile_and_broken_files_are_refused_and_run_nothing(tmp_path):
    target = tmp_path / "made"
    torch.save({"conv1.weight": Hostile(target)}, tmp_path / "w.pt")
    whole = tmp_path / "whole.pt"
    torch.save(foreign(), whole)
    (tmp_path / "cut.pt").write_bytes(whole.read_bytes()[:5000])
    (tmp_path / "text.pth").write_text("<html>not found</html>")
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "stack.pt").write_bytes(b"\x80\x02ccollections\nOrderedDict\nR.")
    (tmp_path / "junk.safetensors").write_bytes(b"\x10" * 64)
    for name in ("w.pt", "cut.pt", "text.pth", "empty.pt", "stack.pt", "junk.safetensors"):
        with pytest.raises(ModelError, match="weight file cannot be read; expected safetensors"):
            resnet18.load(tmp_path / name)
    assert not target.exists()
    with pytest.raises(ModelError, match="weight file not found"):
        resnet18.load(Path("/nonexistent/w.pt"))
