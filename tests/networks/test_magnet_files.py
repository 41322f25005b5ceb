import json
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mer.core.errors import ModelError
from mer.networks.magnet_files import CURVE, VARIANTS, Loaded, build, layout, load
from mer.networks.magnet_small import untrained

CURVE_ROWS = [[1, 1], [4, 3.5], [10, 8]]


def held(variant, seed=0):
    """A variant's tensors by the names of its files."""
    torch.manual_seed(seed)
    ours = build(variant).state_dict()
    return {theirs: ours[name].clone() for theirs, (name, _) in layout(variant).items()}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", ["safetensors", "plain", "wrapped"])
def test_every_variant_is_recognised_and_loads_exactly(tmp_path, variant, shape):
    tensors = held(variant)
    path = tmp_path / ("weights.safetensors" if shape == "safetensors" else "weights.pth.tar")
    if shape == "safetensors":
        save_file(tensors, path)
    elif shape == "plain":
        torch.save(tensors, path)
    else:
        # As the AMAN file: an old pickle with a prefix and a time beside the tensors.
        prefixed = {f"module.{name}": value for name, value in tensors.items()}
        torch.save({"state_dict": prefixed, "time": 1616201849.25}, path, _use_new_zipfile_serialization=False)
    loaded = load(path)
    assert (loaded.variant, loaded.curve) == (variant, None)
    state = loaded.network.state_dict()
    assert all(torch.equal(state[name], tensors[theirs]) for theirs, (name, _) in layout(variant).items())
    assert not loaded.network.training


def refused(path):
    with pytest.raises(ModelError) as caught:
        load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("variant", VARIANTS)
def test_partial_foreign_and_misshapen_files_are_refused(tmp_path, variant):
    path, tensors = tmp_path / "weights.safetensors", held(variant)
    last = list(tensors)[-1]
    save_file({name: value for name, value in tensors.items() if name != last}, path)
    assert f"lacks {last}" in refused(path)
    save_file(tensors | {"encoder.extra.bias": torch.zeros(3)}, path)
    assert "has unexpected encoder.extra.bias" in refused(path)
    save_file(tensors | {last: tensors[last][..., :1].contiguous()}, path)
    assert f"{last} has shape" in refused(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path, value):
    tensors = held("small")
    tensors["measure.weight"][0, 3] = value
    save_file(tensors, tmp_path / "w.safetensors")
    assert "measure.weight has values that are not finite" in refused(tmp_path / "w.safetensors")


def test_weights_of_another_network_are_refused(tmp_path):
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7), "bn1.bias": torch.zeros(64)}, tmp_path / "w.safetensors")
    message = refused(tmp_path / "w.safetensors")
    assert "is no known MagNet (first tensor bn1.bias)" in message and "small, kkjh, zp7" in message


def test_network_with_biases_is_not_taken_for_one_without(tmp_path):
    tensors = held("kkjh")
    biased = tensors | {name.replace("weight", "bias"): torch.zeros(len(v)) for name, v in tensors.items()}
    save_file(biased, tmp_path / "w.safetensors")
    assert "has unexpected" in refused(tmp_path / "w.safetensors")


@pytest.mark.parametrize("keep", [0, 7, 500, 0.5, 0.999])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_truncated_files_are_refused(tmp_path, keep, name):
    path = tmp_path / name
    save_file(held("small"), path) if name.endswith("safetensors") else torch.save(held("small"), path)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    assert "weight file cannot be read" in refused(path)


class Code:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_code_in_a_pickle_is_not_run(tmp_path):
    path, marker = tmp_path / "w.pth", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"state_dict": Code(marker)}))
    assert "weight file cannot be read" in refused(path)
    torch.save({"state_dict": Code(marker)}, path)
    assert "weight file cannot be read" in refused(path)
    assert not marker.exists()


def test_missing_and_huge_files_are_refused(tmp_path):
    assert "weight file not found" in refused(tmp_path / "absent.pth")
    huge = tmp_path / "huge.pth"
    with open(huge, "wb") as handle:
        handle.truncate(1 << 30)
    assert "weight file of 1073741824 bytes" in refused(huge)


def test_unknown_device_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="no CUDA device"):
        load(tmp_path / "w.pth", "cuda")


def with_curve(path, text):
    save_file(untrained(0).state_dict(), path, {CURVE: text})
    return path


def test_curve_is_read_and_inverted(tmp_path):
    loaded = load(with_curve(tmp_path / "w.safetensors", json.dumps(CURVE_ROWS)))
    np.testing.assert_array_equal(loaded.curve, CURVE_ROWS)
    assert loaded.asked(3.5, "w") == pytest.approx(4)
    assert loaded.asked(8, "w") == pytest.approx(10)
    assert loaded.asked(2.25, "w") == pytest.approx(2.5)
    assert loaded.asked(0.5, "w") == 0.5 and loaded.asked(1, "w") == 1
    with pytest.raises(ModelError, match=r"weights w: factor 8\.5; expected at most 8, up to .*; use a smaller factor"):
        loaded.asked(8.5, "weights w")


def test_factor_is_asked_as_it_is_without_a_curve():
    assert Loaded("kkjh", build("kkjh"), None).asked(900, "w") == 900


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[[1, 1]]", "[1, 1]", "[[1, 1], [2]]", "[[1, 1], [2, 1]]", "[[1, 1], [1, 2]]", "[[2, 2], [3, 3]]",
     "[[1, 1], [2, NaN]]", "[[1, 1], [2, Infinity]]", '[["a", 1], [2, 2]]', "[[1, 1, 1], [2, 2, 2]]", "null",
     "[" * 9999],
)  # fmt: skip
def test_what_is_no_curve_is_refused(tmp_path, text):
    assert "metadata 'calibration' is" in refused(with_curve(tmp_path / "w.safetensors", text))
